"""The contract every queue keeps, and the values that travel through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """All that travels through a queue: which session, and what kind of recognition."""

    session: str
    kind: str


class Claim(ABC):
    """A job that is ours until one of `done`, `give_back` or `hold`.

    The claims of an owner that died come back to the queue by themselves.
    """

    job: Job

    @abstractmethod
    def done(self) -> None:
        """The job has its verdict; forget the ticket. Harmless when called twice."""

    @abstractmethod
    def give_back(self) -> None:
        """Let somebody else have it, at its old place in the order."""

    @abstractmethod
    def hold(self, reason: str) -> None:
        """Set it aside, with the reason, where only a person takes it up again."""


class JobQueue(ABC):
    """Waiting jobs of one kind, oldest first."""

    kind: str

    def put(self, job: Job) -> None:
        """Return when the job would survive a crash. Putting a waiting job again does nothing."""
        self.place(job)()

    @abstractmethod
    def place(self, job: Job) -> Callable[[], None]:
        """Let the job wait; what is returned, to be called once, lets it survive a crash.

        When that fails with OSError, the job does not wait any more.
        """

    @abstractmethod
    def claim(self, limit: int, timeout: float) -> list[Claim]:
        """At most `limit` jobs, oldest first; [] when none came within `timeout` seconds."""

    @abstractmethod
    def claim_one(self, session: str) -> Claim | None:
        """The job of that session if it waits, else None."""

    @abstractmethod
    def withdraw(self, session: str) -> bool:
        """Forget the job of that session; False, if somebody works on it and it stays.

        The caller holds the session's lock, so that nobody begins to work on it meanwhile.
        """

    @abstractmethod
    def __len__(self) -> int:
        """How many jobs wait; claimed and held ones are not counted."""

    @abstractmethod
    def order(self, most: int) -> list[str] | None:
        """The sessions whose jobs wait, oldest first; None when they are more than `most`."""

    @abstractmethod
    def held(self) -> dict[str, str]:
        """Session names on hold, each with its reason."""

    def workers(self) -> list[dict[str, Any]]:
        """What each living worker on this queue told of itself; [] where nobody tells."""
        return []

    def listen(self, ring: Callable[[str], None]) -> bool:
        """Call `ring(session)`, from any thread, when a job was done. False: no such events.

        Asked again, it goes on as it is, or begins anew where events were lost.
        """
        return False

    def wake(self) -> None:  # noqa: B027 - a queue that never blocks needs none
        """Let a `claim` that is waiting in another thread return early."""

    def close(self) -> None:  # noqa: B027
        """Give back what is claimed and let go of every thread and file."""
