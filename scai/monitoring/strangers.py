"""The state of the server for strangers: the same figures, without what tells of its machine."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

# The folders of an absolute path, from the first slash to the last.
_FOLDERS = re.compile(r"""(?<![\w./:])/(?:[^\s/:'"]+/)+""")
# Of this process: so that nobody can try out host names and process numbers.
_SALT = secrets.token_bytes(16)


def for_strangers(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the document of `Overview.read` without paths, process numbers and host names."""
    portal = {key: value for key, value in document["portal"].items() if key != "pid"}
    return {
        **document,
        "portal": portal,
        "queues": [_queue(queue) for queue in document["queues"]],
        "failures": [_reason(failure) for failure in document["failures"]],
    }


def without_folders(text: str) -> str:
    """A sentence with only the last part of each absolute path in it."""
    return _FOLDERS.sub("…/", text)


def _queue(queue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **queue,
        "workers": [_worker(worker) for worker in queue["workers"]],
        "holds": [_reason(hold) for hold in queue["holds"]],
    }


def _worker(worker: Mapping[str, Any]) -> dict[str, Any]:
    # The page tells workers apart by their id, which has the names of host and process in it.
    name = hashlib.blake2b(str(worker["id"]).encode("utf-8", "replace"), key=_SALT, digest_size=6)
    others = {key: value for key, value in worker.items() if key != "pid"}
    return {**others, "id": name.hexdigest()}


def _reason(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "reason": without_folders(str(entry["reason"]))}
