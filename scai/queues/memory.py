"""A queue in memory, for tests and for programs that need no crash safety."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from scai.queues._leases import LeaseWatch
from scai.queues.base import Claim, ClaimStatus, Job, JobQueue, QueueOptions, Stray, Ticket


def open_queue(kind: str, options: QueueOptions) -> JobQueue:
    """Make an empty queue; of the options, only those of leases apply."""
    return MemoryQueue(kind, leases=LeaseWatch(options.lease, options.clock))


class _Jobs:
    """The jobs of one kind, with all who claim and watch them. `change` guards everything."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.waiting: set[str] = set()
        self.claims: dict[str, MemoryClaim] = {}
        self.held: dict[str, str] = {}
        self.members: list[MemoryQueue] = []
        self.numbers = itertools.count(1)


class MemoryQueue(JobQueue):
    """Waiting jobs in sets; the same order and the same rules as the directory queue.

    `beside`: a queue whose jobs this one shares, as another claimer; `clock`: of heartbeats, in
    epoch seconds
    """

    def __init__(
        self,
        kind: str,
        clock: Callable[[], float] = time.time,
        *,
        leases: LeaseWatch | None = None,
        beside: MemoryQueue | None = None,
    ) -> None:
        self.kind = kind
        self._clock = clock
        self._leases = leases or LeaseWatch(QueueOptions.lease)
        self._jobs: _Jobs = _Jobs() if beside is None else beside._jobs
        self._jobs.members.append(self)
        self._change = self._jobs.change
        self._waiting, self._claims = self._jobs.waiting, self._jobs.claims
        self._held = self._jobs.held
        self.id = f"memory-{len(self._jobs.members)}"
        self.last_beat: float | None = None
        self._returned: set[str] = set()
        self._facts: dict[str, Any] = {}
        self._woken = False
        self._on_arrival: Callable[[], None] = lambda: None
        self._on_end: Callable[[str], None] = lambda session: None

    def place(self, session: str) -> Ticket:
        with self._change:
            new = session not in self._waiting
            self._wait(session)
        self._ring_arrival()
        return Ticket(session, new)

    def flush(self, ticket: Ticket) -> None:
        pass

    def withdraw(self, session: str, *, keep_hold: bool = False) -> bool:
        with self._change:
            self._waiting.discard(session)
            if self._is_claimed(session):
                return False
            if not keep_hold:
                self._held.pop(session, None)
            return True

    def claim(self, limit: int, timeout: float) -> list[Claim]:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._woken, timeout)
            self._woken = False
            return [self._take(session) for session in sorted(self._waiting)[:limit]]

    def claim_one(self, session: str) -> Claim | None:
        with self._change:
            return self._take(session) if session in self._waiting else None

    def _take(self, session: str) -> Claim:
        self._waiting.remove(session)
        token = f"{session}@{self.id}+{next(self._jobs.numbers)}"
        self._claims[token] = MemoryClaim(self, Job(session, self.kind), token)
        return self._claims[token]

    def _is_claimed(self, session: str) -> bool:
        return any(claim.job.session == session for claim in self._claims.values())

    def _wait(self, session: str) -> None:
        self._waiting.add(session)
        for member in self._jobs.members:
            member._returned.discard(session)
        self._change.notify_all()

    def _ring_arrival(self) -> None:
        for member in self._jobs.members:
            member._on_arrival()

    def wake(self) -> None:
        with self._change:
            self._woken = True
            self._change.notify_all()

    def recover(self) -> int:
        # Whoever claims here dies with the queue: only silence can be found.
        with self._change:
            others = [claim for claim in self._claims.values() if claim.queue is not self]
            lapsed = self._leases.lapsed({c.token: c.queue.last_beat for c in others})
        return sum(self.finish(token, back=True) for token in lapsed)

    def announce(self, **facts: Any) -> None:
        self._facts.update(facts)

    def workers(self) -> list[dict[str, Any]]:
        workers = []
        for member in self._jobs.members:
            if member._facts:
                beat = {} if member.last_beat is None else {"last_beat": member.last_beat}
                workers.append({"pid": os.getpid(), **member._facts, **beat, "id": member.id})
        return workers

    def beat(self) -> None:
        with self._change:
            self.last_beat = self._clock()

    def __len__(self) -> int:
        return len(self._waiting)

    def waiting(self) -> Iterable[str]:
        with self._change:
            return list(self._waiting)

    def order(self, limit: int) -> list[str] | None:
        with self._change:
            return sorted(self._waiting) if len(self._waiting) <= limit else None

    def refresh(self) -> None:
        with self._change:
            if self._returned >= self._waiting:
                self._returned.clear()

    def next_waiting(self) -> str | None:
        with self._change:
            session = min(self._waiting - self._returned, default=None)
            if session is not None:
                self._returned.add(session)
            return session

    def waits(self, session: str) -> bool:
        return session in self._waiting

    def has(self, session: str) -> bool:
        with self._change:
            return session in self._waiting or self._is_claimed(session)

    def claims(self) -> list[ClaimStatus]:
        with self._change:
            return [
                ClaimStatus(claim.job.session, claim.queue.id, claim.queue.last_beat)
                for claim in self._claims.values()
            ]

    def held_sessions(self) -> list[str]:
        with self._change:
            return list(self._held)

    def hold_reason(self, session: str) -> str | None:
        return self._held.get(session)

    def hold(self, session: str, reason: str) -> None:
        self._held[session] = reason

    def release(self, session: str) -> bool:
        with self._change:
            if self._held.pop(session, None) is None:
                return False
            self._wait(session)
        self._ring_arrival()
        return True

    def strays(self, now: float) -> list[Stray]:
        return []

    def tidy(self, stray: Stray) -> None:
        pass

    def drop_hold(self, session: str) -> None:
        self._held.pop(session, None)

    def listen_for_arrivals(self, ring: Callable[[], None]) -> None:
        self._on_arrival = ring

    def listen_for_ends(self, ring: Callable[[str], None]) -> bool:
        self._on_end = ring
        return True

    def close(self) -> None:
        with self._change:
            for token, claim in list(self._claims.items()):
                if claim.queue is self:
                    del self._claims[token]
                    self._wait(claim.job.session)
            self._facts.clear()
            self.last_beat = None

    def is_current(self, token: str) -> bool:
        """Whether the claim of that token has not ended and was not lost."""
        return token in self._claims

    def finish(self, token: str, *, back: bool = False, reason: str | None = None) -> bool:
        """End a claim: done, given back, or held with a reason; False if it was not current."""
        with self._change:
            claim = self._claims.pop(token, None)
            if claim is None:
                return False
            session = claim.job.session
            if back:
                self._wait(session)
            if reason is not None:
                self._held[session] = reason
        for member in self._jobs.members:
            member._on_end(session)
        if back:
            self._ring_arrival()
        return True


class MemoryClaim(Claim):
    """A claim of a `MemoryQueue` on a job."""

    def __init__(self, queue: MemoryQueue, job: Job, token: str) -> None:
        self.job = job
        self.queue = queue
        self.token = token

    def is_current(self, token: str) -> bool:
        return self.queue.is_current(token)

    def done(self) -> None:
        self.queue.finish(self.token)

    def give_back(self) -> None:
        self.queue.finish(self.token, back=True)

    def hold(self, reason: str) -> None:
        self.queue.finish(self.token, reason=reason)
