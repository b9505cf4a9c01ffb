"""Who works on a queue: each process holds a lock that the kernel releases when it dies.

    .owners/<id>.lock   locked for the life of the process
    .owners/<id>.json   who it is, for people and for `scai status`
    .owners/<id>.beat   its modification time is the last heartbeat

If a lock can be taken, its owner is dead.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scai.storage.disk import Disk
from scai.storage.locks import flock
from scai.storage.open_plain import open_plain
from scai.storage.rights import check_folder, make_folder, names_in, new_file

_LOCK, _FACTS, _BEAT = ".lock", ".json", ".beat"
# Far above the facts of any owner, in bytes; somebody else may have written the file.
_MAX_FACTS = 1_000_000
_disk = Disk("off")
log = logging.getLogger(__name__)


class Owner:
    """This process as the owner of claims, in a queue's folder `.owners`.

    `id` has no '@', no '+' and no '/'.
    """

    def __init__(self, folder: str) -> None:
        # The page of the status tells by this name which workers run on its own machine.
        host = re.sub(r"[@+/]", "-", socket.gethostname().partition(".")[0])
        self.id = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._folder = folder
        self._path = f"{folder}/{self.id}"
        make_folder(folder)
        self._facts: dict[str, Any] = {"pid": os.getpid(), "started": round(time.time(), 3)}
        self._announcing = threading.Lock()
        self._descriptor = self._lock()

    def _lock(self) -> int:
        # The lock is taken before the file gets its name: nobody ever finds it unlocked.
        temporary = f"{self._folder}/.{self.id}.new"
        descriptor = new_file(temporary, os.O_RDWR)
        flock(descriptor)
        try:
            os.rename(temporary, self._path + _LOCK)
        except OSError:
            os.close(descriptor)
            os.unlink(temporary)
            raise
        return descriptor

    def announce(self, **facts: Any) -> None:
        """Publish facts about this worker, such as its model or that it is warm."""
        with self._announcing:
            self._facts.update(facts)
            text = json.dumps(self._facts, ensure_ascii=False)
            check_folder(self._folder)
            _disk.publish(Path(self._path + _FACTS), text.encode(), durable=False)

    def beat(self) -> None:
        """Record a heartbeat. Raises OSError."""
        file = self._path + _BEAT
        check_folder(self._folder)
        try:
            os.utime(file, follow_symlinks=False)
        except FileNotFoundError:
            os.close(new_file(file))

    def close(self) -> None:
        """Release the lock; call it when no claim is left."""
        if self._descriptor >= 0:
            _remove_files(self._folder, self.id)
            os.close(self._descriptor)
            self._descriptor = -1


def living(folder: str) -> list[dict[str, Any]]:
    """The facts that each living owner announced, with its `id`, `pid` and `last_beat`."""
    workers, beats = [], heartbeat_times(folder)
    for owner in sorted(registered(folder)):
        with _try_lock(folder, owner, shared=True) as dead:
            if not dead:
                beat = {"last_beat": beats[owner]} if owner in beats else {}
                workers.append({**_facts(f"{folder}/{owner}{_FACTS}"), **beat, "id": owner})
    return workers


def _facts(path: str) -> dict[str, Any]:
    try:
        with open_plain(path) as file:
            facts = json.loads(file.read(_MAX_FACTS))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def heartbeat_times(folder: str) -> dict[str, float]:
    """The last heartbeats in epoch seconds, by owner."""
    times = {}
    for owner in _names(folder, _BEAT):
        with suppress(FileNotFoundError):
            times[owner] = os.lstat(f"{folder}/{owner}{_BEAT}").st_mtime
    return times


@contextmanager
def take_over_if_dead(folder: str, owner: str) -> Iterator[bool]:
    """Give True if `owner` is dead, and let only this process handle its claims; else give False.

    An owner without a lock file is dead too. A dead owner's files are removed when the block ends.
    """
    with _try_lock(folder, owner) as dead:
        yield dead
        if dead:
            _remove_files(folder, owner)


def registered(folder: str) -> set[str]:
    """The ids of all owners with a lock file, dead or alive."""
    return set(_names(folder, _LOCK))


def _names(folder: str, suffix: str) -> list[str]:
    """The names in the folder that end so, without that end."""
    try:
        return [n.removesuffix(suffix) for n in names_in(folder) if n.endswith(suffix)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_files(folder: str, owner: str) -> None:
    """Remove an owner's files. The lock file goes last, because owners are found by it."""
    for suffix in (_BEAT, _FACTS, _LOCK):
        with suppress(OSError):
            os.unlink(f"{folder}/{owner}{suffix}")


@contextmanager
def _try_lock(folder: str, owner: str, *, shared: bool = False) -> Iterator[bool]:
    """Whether the owner's lock could be had, and with it whether the owner is dead."""
    lock = f"{folder}/{owner}{_LOCK}"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    except OSError as error:
        # The file belongs to another user, or is no plain file: do not judge its owner.
        log.debug("%s: %s", lock, error.strerror)
        yield False
        return
    try:
        yield flock(descriptor, shared=shared)
    finally:
        os.close(descriptor)
