"""A claimed job on its way through the worker, and what its record asks for.

The record may come from a foreign client, so nothing in it is taken for what it should be.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from scai.pictures.pixels import Picture, Pixels
from scai.queues.base import Claim, Job, JobQueue
from scai.recognition.recognizer import Options, Tensor
from scai.settings import MOST_RESULTS
from scai.storage.session import Session, attempts

_LATEST = 1e11


@dataclass
class Task:
    """One job under way; `lock` is what it holds until its end, `times` are in milliseconds.

    `tensor` is the picture as its model wants it, where the model was loaded in time to tell;
    `abreast` how many pictures that model's engine runs side by side.
    """

    claim: Claim
    session: Session
    record: dict[str, Any]
    lock: ExitStack
    picture: Picture | None = None
    tensor: Tensor | None = None
    abreast: int = 1
    batch: int = 0
    times: dict[str, float] = field(default_factory=dict)

    @property
    def shown(self) -> Pixels:
        """The decoded picture."""
        assert self.picture is not None
        return self.picture.pixels

    @property
    def image(self) -> dict[str, int]:
        """What the verdict says of the picture: its size upright, and how it was stored."""
        assert self.picture is not None
        picture = self.picture
        return {
            "width": picture.width,
            "height": picture.height,
            "orientation": picture.orientation,
        }

    @property
    def suspect(self) -> bool:
        """Whether a worker died while it was running this job."""
        return attempts(self.record) > 0

    @property
    def model(self) -> str:
        """The section the client asked for; "" for the default."""
        return str(self.record.get("model", ""))

    @property
    def created(self) -> float:
        """When the upload came, in epoch seconds; now, if nobody says."""
        return self._number("created", 0, _LATEST) or time.time()

    @property
    def options(self) -> Options:
        """Threshold and number of results that the client asked for."""
        top_k = self._number("top_k", 1, MOST_RESULTS)
        return Options(self._number("threshold", 0, 1), None if top_k is None else int(top_k))

    def _number(self, name: str, low: float, high: float) -> float | None:
        """What the record says under `name` if it is a number of that range."""
        value = self.record.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        return None


class NoTicket(Claim):
    """Stands for the ticket of a session that is run by hand."""

    def __init__(self, queue: JobQueue, session: str) -> None:
        self.job = Job(session, queue.kind)

    def done(self) -> None:
        pass

    def give_back(self) -> None:
        pass

    def hold(self, reason: str) -> None:
        pass
