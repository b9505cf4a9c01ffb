"""Clients of a storm: they upload, wait, look again, remove, and make batches, for ever."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import requests
from PIL import Image

from scai.kinds import Kind
from scai.storage.session import FINAL
from support.kinds import IC, OD
from support.storm.ledger import Accepted, Ledger

# Seconds that a client waits for an answer: a stopped portal gives none.
_PATIENCE = 15
# What a client does next, and how often.
_ACTIONS = {"upload": 8, "damaged": 1, "remove": 1, "batch": 1}

_FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"quality": 85}),
    # Not decoded in the worker's own process.
    ("JPEG", {"quality": 85, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
)


class StormClient(threading.Thread):
    """One client, which notes each accepted upload in the ledger until `ended` is set.

    `trouble` gets a sentence for every answer that no client should ever see.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        ended: threading.Event,
        seed: int,
        trouble: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"client-{seed}", daemon=True)
        self._url = url
        self._ledger = ledger
        self._ended = ended
        self._random = random.Random(seed)
        self._trouble = trouble
        self._http = requests.Session()
        self._http.trust_env = False

    def run(self) -> None:
        while not self._ended.is_set():
            [action] = self._random.choices([*_ACTIONS], [*_ACTIONS.values()])
            try:
                getattr(self, f"_{action}")()
            except (requests.RequestException, ValueError):
                # The portal is being killed, or starts again. What was not answered is no promise.
                self._ended.wait(0.2)

    def _kind(self) -> Kind:
        return self._random.choice((IC, OD))

    def _upload(self, damaged: bool = False) -> Accepted | None:
        kind = self._kind()
        data = photo(self._random)
        files = {"photo": ("storm.jpg", data[: len(data) // 2] + b"\xff\xd9" if damaged else data)}
        answer = self._http.post(self._url + kind.upload, files=files, timeout=_PATIENCE)
        entry = self._accepted(kind, answer, good=not damaged)
        if entry is not None and self._random.random() < 0.5:
            self._look(entry, wait=5)
        return entry

    def _damaged(self) -> None:
        self._upload(damaged=True)

    def _accepted(self, kind: Kind, answer: requests.Response, good: bool) -> Accepted | None:
        body = answer.json()
        if answer.status_code == 200 and body.get("status") == "success":
            return self._ledger.add(body, kind, good)
        if answer.status_code >= 500 and answer.status_code not in (503, 507):
            self._trouble(f"{answer.status_code} for an upload: {body}")
        return None

    def _look(self, entry: Accepted, wait: float) -> dict[str, Any]:
        query = {"task": entry.name, "key": entry.key, "wait": str(wait)}
        answer = self._http.get(
            self._url + entry.kind.result, params=query, timeout=_PATIENCE + wait
        )
        result: dict[str, Any] = answer.json()
        self._ledger.note(entry, result)
        return result

    def _remove(self) -> None:
        entry = self._upload()
        if entry is None:
            return
        if self._random.random() < 0.5 and self._look(entry, 5).get("state") not in FINAL:
            return
        query = {"task": entry.name, "key": entry.key}
        entry.removal = "asked"
        answer = self._http.delete(self._url + entry.kind.result, params=query, timeout=_PATIENCE)
        if answer.status_code == 200:
            entry.removal = "answered"
        elif answer.status_code == 409:
            entry.removal = ""  # it is being recognised and stays

    def _batch(self) -> None:
        kind = self._kind()
        files = [("photo", (f"{n}.jpg", photo(self._random))) for n in range(4)]
        answer = self._http.post(
            f"{self._url}/batches", files=files, data={"kind": kind.name}, timeout=_PATIENCE
        )
        body = answer.json()
        for taken in body.get("taken", []):
            self._ledger.add({"sessname": taken["task"], "sesskey": taken["key"]}, kind, good=True)


def photo(random_: random.Random) -> bytes:
    """A small picture of coarse noise, different each time, in one of several formats."""
    noise = np.random.default_rng(random_.getrandbits(32)).integers(0, 256, (12, 16, 3), np.uint8)
    kind, options = random_.choice(_FORMATS)
    out = io.BytesIO()
    Image.fromarray(noise).resize((320, 240)).save(out, kind, **options)
    return out.getvalue()
