"""A claimed job on its way through the worker, and what its record asks for.

A foreign client may have written the record, so every value of it is checked.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from scai.pictures.pixels import Picture, Pixels
from scai.queues.base import Claim, Job, JobQueue
from scai.recognition.recognizer import Options, Tensor
from scai.settings import MAX_RESULTS
from scai.storage.session import Session, attempts

_LATEST = 1e11


@dataclass
class Task:
    """One job under way.

    `resources` are released at its end: the session's lock, memory. `tensor` is the input of the
    model, made early if the model was loaded by then; `abreast` is the number of pictures that the
    model's engine runs side by side. `batch` is the number of pictures that it was run with.
    `times` are in milliseconds.
    """

    claim: Claim
    session: Session
    record: dict[str, Any] = field(default_factory=dict)
    resources: ExitStack = field(default_factory=ExitStack)
    decoded: Picture | None = None
    tensor: Tensor | None = None
    abreast: int = 1
    batch: int = 0
    times: dict[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> Pixels:
        """The decoded picture, (h, w, 3) uint8 RGB."""
        assert self.decoded is not None
        return self.decoded.pixels

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the upright picture in pixels."""
        assert self.decoded is not None
        return self.decoded.width, self.decoded.height

    @property
    def suspect(self) -> bool:
        """Whether a worker died while it ran this job."""
        return attempts(self.record) > 0

    @property
    def model(self) -> str:
        """The section of the models file that the client named; "" for the default."""
        return str(self.record.get("model", ""))

    @property
    def created(self) -> float:
        """Time of the upload in epoch seconds; now, if the record has none."""
        return self._number("created", 0, _LATEST) or time.time()

    @property
    def options(self) -> Options:
        """Confidence threshold and top-k of the client."""
        top_k = self._number("top_k", 1, MAX_RESULTS)
        return Options(self._number("threshold", 0, 1), None if top_k is None else int(top_k))

    def _number(self, name: str, low: float, high: float) -> float | None:
        """The record's value of `name` if it is a number of that range."""
        value = self.record.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        return None


class NoTicket(Claim):
    """The claim of a session that is run by hand and has no ticket."""

    def __init__(self, queue: JobQueue, session: str) -> None:
        self.job = Job(session, queue.kind)
        self.token = f"{session}@by-hand-{os.getpid()}-{secrets.token_hex(4)}"

    def is_current(self, token: str) -> bool:
        return token == self.token

    def done(self) -> None:
        pass

    def give_back(self) -> None:
        pass

    def hold(self, reason: str) -> None:
        pass
