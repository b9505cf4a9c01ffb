"""A queue in memory, for tests and for programs that need no crash safety."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from scai.queues.base import Claim, ClaimStatus, Job, JobQueue, QueueOptions, Ticket

_OWNER = "memory"


def open_queue(kind: str, options: QueueOptions) -> JobQueue:
    """Make an empty queue; nothing of the options applies."""
    return MemoryQueue(kind)


class MemoryQueue(JobQueue):
    """Waiting jobs in sets; the same order and the same rules as the directory queue."""

    def __init__(self, kind: str, clock: Callable[[], float] = time.time) -> None:
        self.kind = kind
        self._clock = clock
        self._waiting: set[str] = set()
        self._returned: set[str] = set()
        self._claims: dict[MemoryClaim, ClaimStatus] = {}
        self._held: dict[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._last_beat: float | None = None
        self._change = threading.Condition()
        self._woken = False
        self._on_arrival: Callable[[], None] = lambda: None
        self._on_end: Callable[[str], None] = lambda session: None

    def place(self, session: str) -> Ticket:
        with self._change:
            new = session not in self._waiting
            self._wait(session)
        self._on_arrival()
        return Ticket(session, new)

    def flush(self, ticket: Ticket) -> None:
        pass

    def withdraw(self, session: str) -> bool:
        with self._change:
            self._waiting.discard(session)
            if self._is_claimed(session):
                return False
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
        claim = MemoryClaim(self, Job(session, self.kind))
        self._claims[claim] = ClaimStatus(session, _OWNER)
        return claim

    def _is_claimed(self, session: str) -> bool:
        return any(claim.job.session == session for claim in self._claims)

    def _wait(self, session: str) -> None:
        self._waiting.add(session)
        self._returned.discard(session)
        self._change.notify_all()

    def wake(self) -> None:
        with self._change:
            self._woken = True
            self._change.notify_all()

    def recover(self) -> int:
        return 0  # whoever claims here dies with the queue

    def announce(self, **facts: Any) -> None:
        self._facts.update(facts)

    def workers(self) -> list[dict[str, Any]]:
        if not self._facts:
            return []
        beat = {} if self._last_beat is None else {"last_beat": self._last_beat}
        return [{"pid": os.getpid(), **self._facts, **beat, "id": _OWNER}]

    def beat(self) -> None:
        with self._change:
            self._last_beat = self._clock()

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
            claims = self._claims.values()
            return [replace(claim, last_beat=self._last_beat) for claim in claims]

    def held_sessions(self) -> list[str]:
        with self._change:
            return list(self._held)

    def hold_reason(self, session: str) -> str | None:
        return self._held.get(session)

    def drop_hold(self, session: str) -> None:
        self._held.pop(session, None)

    def listen_for_arrivals(self, ring: Callable[[], None]) -> None:
        self._on_arrival = ring

    def listen_for_ends(self, ring: Callable[[str], None]) -> bool:
        self._on_end = ring
        return True

    def close(self) -> None:
        with self._change:
            for claim in self._claims:
                self._wait(claim.job.session)
            self._claims.clear()
            self._facts.clear()
            self._last_beat = None

    def finish(self, claim: MemoryClaim, *, back: bool = False, reason: str | None = None) -> None:
        """End a claim: done, given back, or held with a reason."""
        session = claim.job.session
        with self._change:
            if self._claims.pop(claim, None) is None:
                return
            if back:
                self._wait(session)
            if reason is not None:
                self._held[session] = reason
        self._on_end(session)
        if back:
            self._on_arrival()


class MemoryClaim(Claim):
    """A claim on a job of a `MemoryQueue`."""

    def __init__(self, queue: MemoryQueue, job: Job) -> None:
        self.job = job
        self._queue = queue

    def done(self) -> None:
        self._queue.finish(self)

    def give_back(self) -> None:
        self._queue.finish(self, back=True)

    def hold(self, reason: str) -> None:
        self._queue.finish(self, reason=reason)
