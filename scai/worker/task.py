"""A claimed job on its way through the worker, and what its record asks for.

A foreign client may have written the record, so every value of it is checked.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from scai.pictures.pixels import Picture, Pixels
from scai.queues.base import Claim, Job, JobQueue
from scai.recognition.recognizer import Options, Tensor
from scai.settings import MAX_RESULTS
from scai.storage.session import FINAL, Session, attempts

log = logging.getLogger(__name__)

_LATEST = 1e11
# Stages of a job, as `stage` in a failure by its deadline. Waiting is no work.
WAITING = "waiting"
DECODING = "decoding"
INFERENCE = "inference"
WRITING = "writing"


@dataclass
class Task:
    """One job under way.

    `resources` are released at its end, such as memory. `tensor` is the input of the model, made
    early if the model was loaded by then; `abreast` is the number of pictures that the model's
    engine runs side by side. `batch` is the number of pictures that it was run with. `times` are in
    milliseconds.

    `started`: its attempt is counted; `is_taken_back`: that attempt does not count any more;
    `is_published`: this worker has written its verdict; `is_lost`: the job was found to belong to
    others; `noted_at`: when its work was noted last
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
    stage: str = WAITING
    started: bool = False
    is_taken_back: bool = False
    is_published: bool = False
    is_lost: bool = False
    noted_at: float = 0.0
    _entered_at: float = 0.0
    _seconds: float = 0.0

    def enter(self, stage: str, now: float) -> None:
        """Begin the next stage, at the time `now` of a clock that never steps."""
        if not self.started:
            self.started, self.noted_at = True, now
            self._seconds = self.worked_before
        else:
            self._seconds = self.worked(now)
        self.stage, self._entered_at = stage, now

    def forget_work(self) -> None:
        """Let the time of this run not count as work; the task waits from now on."""
        self._seconds, self.stage = self.worked_before, WAITING

    def worked(self, now: float) -> float:
        """Seconds that this job has worked until `now`, in all its runs; waiting is no work."""
        return self._seconds + self.in_stage(now)

    def in_stage(self, now: float) -> float:
        """Seconds of work in its present stage."""
        return 0.0 if self.stage == WAITING else now - self._entered_at

    @property
    def worked_before(self) -> float:
        """Seconds that earlier runs are known to have worked."""
        return self._number("worked", 0, _LATEST) or 0.0

    @property
    def is_current(self) -> bool:
        """Whether the job still belongs to this worker's claim."""
        return self.claim.is_current(self.claim.token)

    def may_change(self, record: Mapping[str, Any]) -> bool:
        """Whether this worker may change the session, whose record was read under its lock.

        It may not if its claim was lost, nor while the claim that runs the session is current: a
        client may have put the ticket a second time.
        """
        run_by = record.get("claim")
        if not self.is_current:
            return False
        return run_by == self.claim.token or not (
            isinstance(run_by, str) and self.claim.is_current(run_by)
        )

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

        self._ended = False

    def is_current(self, token: str) -> bool:
        return token == self.token and not self._ended

    def done(self) -> None:
        self._ended = True

    def give_back(self) -> None:
        self._ended = True

    def hold(self, reason: str) -> None:
        self._ended = True


def without_ticket(queue: JobQueue, session: Session) -> Claim | None:
    """A claim of a session that is run by hand and is in no queue.

    None for one that has its verdict, or while somebody else works on it, or while it is on hold:
    both may have come while this process started. Raises OSError and NotFound.
    """
    if session.state in FINAL:
        return None
    if queue.has(session.name) or session.name in queue.held_sessions():
        log.warning("session %s is claimed or on hold; it is not run", session.name)
        return None
    return NoTicket(queue, session.name)
