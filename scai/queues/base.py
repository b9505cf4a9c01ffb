"""The contract of every queue, and the values that travel through it.

A variant is a module of this folder with a class that keeps `JobQueue` and a function
`open_queue(kind, options)` that makes one. Programs call `scai.queues.open`, never a variant.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.storage.disk import Disk
from scai.storage.ticket import Ticket

__all__ = ["Claim", "ClaimStatus", "Job", "JobQueue", "QueueOptions", "Stray", "Ticket"]


@dataclass(frozen=True)
class Job:
    """All that travels through a queue: which session, and what kind of recognition."""

    session: str
    kind: str


@dataclass(frozen=True)
class QueueOptions:
    """How a queue is opened; a variant uses what it has a use for.

    pool: folder of the queue, made when it is missing
    sweep: seconds between two looks for jobs that arrived without an event
    doorbell: whether events wake a claimer that waits, long before the next sweep
    look_only: whether nothing is made on the disk, for programs that only show how a queue stands
    disk: how files are written, and whether they are flushed
    lease: seconds without a heartbeat after which the claims of a living owner are taken over; more
        than the longest silence of a worker that works
    clock: seconds of a clock that never steps, for leases
    """

    pool: Path
    sweep: float = 2.0
    doorbell: bool = True
    look_only: bool = False
    disk: Disk = field(default_factory=Disk)
    lease: float = 60.0
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class ClaimStatus:
    """A job that somebody works on.

    session: its session
    owner: id of the process that claimed it, as in `JobQueue.workers`
    last_beat: epoch seconds of the owner's last heartbeat; None if it never beat
    """

    session: str
    owner: str
    last_beat: float | None = None


@dataclass(frozen=True)
class Stray:
    """Something in a queue's keeping that belongs to no job and to no living claimer.

    path: where it lies
    about: what it is, as the end of a sentence
    """

    path: str
    about: str


class Claim(ABC):
    """A job that belongs to this process until one of `done`, `give_back` or `hold`.

    When the process dies, or sends no heartbeat for a lease, the job returns to the queue; then the
    claim is lost, and ending it does nothing. `token` is the fencing token: no two claims ever have
    the same. The record of a session names the claim that runs it, so a process that has
    lost its claim changes nothing.
    """

    job: Job
    token: str

    @abstractmethod
    def is_current(self, token: str) -> bool:
        """Whether the claim of that token on the same job has not ended and was not lost.

        Raises OSError if the disk does not tell, as `JobQueue.waits` and `has` do.
        """

    @abstractmethod
    def done(self) -> None:
        """End the claim: the job has its verdict. A second call does nothing."""

    @abstractmethod
    def give_back(self) -> None:
        """End the claim: the job waits again, at its old place in the order."""

    @abstractmethod
    def hold(self, reason: str) -> None:
        """End the claim: the job is set aside with a reason, until a person takes it up."""


class JobQueue(ABC):
    """Waiting jobs of one kind, oldest first. Safe between threads."""

    kind: str

    # Putting jobs in.

    def put(self, job: Job) -> None:
        """Return when the job would survive a crash. Putting a waiting job again does nothing.

        Raises OSError; the job does not wait then.
        """
        self.flush(self.place(job.session))

    @abstractmethod
    def place(self, session: str) -> Ticket:
        """Let the job of that session wait. It survives a crash only after `flush`."""

    @abstractmethod
    def flush(self, ticket: Ticket) -> None:
        """Return when the job of the ticket would survive a crash.

        When that fails with OSError, the job does not wait any more, unless it waited before.
        """

    @abstractmethod
    def withdraw(self, session: str, *, keep_hold: bool = False) -> bool:
        """Remove the job of that session; False if somebody works on it and it stays.

        With `keep_hold`, its hold stays. The caller holds the session's lock, so nobody begins to
        work on it meanwhile.
        """

    # Taking jobs out.

    @abstractmethod
    def claim(self, limit: int, timeout: float) -> list[Claim]:
        """Claim at most `limit` jobs, oldest first; [] when none came within `timeout` seconds."""

    @abstractmethod
    def claim_one(self, session: str) -> Claim | None:
        """Claim the job of that session; None if it does not wait."""

    @abstractmethod
    def wake(self) -> None:
        """Let a `claim` that waits in another thread return early."""

    @abstractmethod
    def recover(self) -> int:
        """Let the jobs of dead claimers, and of those silent for a lease, wait again; their number.

        Silence is counted over repeated calls, by the clock of this process: no two clocks are
        compared. An owner that never sent a heartbeat is judged by its life alone.
        """

    @abstractmethod
    def announce(self, **facts: Any) -> None:
        """Publish facts about this process as a worker, such as its model, or `warm=True`.

        They are added to earlier ones and last until `close`.
        """

    @abstractmethod
    def beat(self) -> None:
        """Record a heartbeat of this process as a worker; see `ClaimStatus.last_beat`.

        The loop that runs the engine calls it, at least every second while it is idle, and before
        and after each inference batch. Raises OSError.
        """

    # Looking.

    @abstractmethod
    def __len__(self) -> int:
        """How many jobs wait. Claimed and held ones do not count."""

    @abstractmethod
    def waiting(self) -> Iterable[str]:
        """The sessions whose jobs wait, in no order."""

    @abstractmethod
    def order(self, limit: int) -> list[str] | None:
        """The sessions whose jobs wait, oldest first; None if they are more than `limit`."""

    @abstractmethod
    def next_waiting(self) -> str | None:
        """The oldest waiting session that this call has not returned lately; it is not claimed.

        A session comes again when it arrives again, or after `refresh`. None: no further one.
        """

    @abstractmethod
    def refresh(self) -> None:
        """Look for jobs that arrived without an event, if it is time, before `next_waiting`."""

    @abstractmethod
    def waits(self, session: str) -> bool:
        """Whether the job of that session waits. Raises OSError if the disk does not tell."""

    @abstractmethod
    def has(self, session: str) -> bool:
        """Whether the job of that session waits or is claimed. Raises OSError likewise."""

    @abstractmethod
    def claims(self) -> list[ClaimStatus]:
        """The jobs that are claimed, by anybody."""

    def claimed(self) -> dict[str, str]:
        """The sessions whose jobs are claimed, each with the id of the owner."""
        return {claim.session: claim.owner for claim in self.claims()}

    @abstractmethod
    def workers(self) -> list[dict[str, Any]]:
        """The facts that each living worker announced, with its `id` and `pid`.

        `last_beat` is the time of its last heartbeat in epoch seconds; absent if it never beat.
        """

    # Jobs on hold.

    @abstractmethod
    def held_sessions(self) -> list[str]:
        """The sessions whose jobs are on hold, in no order."""

    @abstractmethod
    def hold_reason(self, session: str) -> str | None:
        """Why the job of that session is on hold; None if it is not, or not any more."""

    @abstractmethod
    def hold(self, session: str, reason: str) -> None:
        """Put the job of that session on hold; if it waits, it goes on waiting. Raises OSError."""

    @abstractmethod
    def release(self, session: str) -> bool:
        """Let a job that is on hold wait again; False if it is not on hold.

        It survives a crash when this returns; before, it is on hold or waits. Raises OSError.
        """

    @abstractmethod
    def drop_hold(self, session: str) -> None:
        """Forget the hold of a session that is removed."""

    def held(self) -> dict[str, str]:
        """The sessions whose jobs are on hold, each with its reason."""
        reasons = {session: self.hold_reason(session) for session in self.held_sessions()}
        return {session: reason for session, reason in reasons.items() if reason is not None}

    # Repair.

    @abstractmethod
    def strays(self, now: float) -> list[Stray]:
        """What lies about in this queue at that time of day (epoch seconds); nothing changes."""

    @abstractmethod
    def tidy(self, stray: Stray) -> None:
        """Put it out of the way. Whatever may hold something is kept. Raises OSError."""

    # Events.

    @abstractmethod
    def listen_for_arrivals(self, ring: Callable[[], None]) -> None:
        """Call `ring`, from any thread, when a job arrives; events are hints and may be missed."""

    @abstractmethod
    def listen_for_ends(self, ring: Callable[[str], None]) -> bool:
        """Call `ring(session)`, from any thread, when a claim ends. False: there are no events.

        A second call changes nothing, or begins anew where events were lost.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what this process claimed, and end its threads and files."""
