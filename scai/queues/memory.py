"""A queue in memory, for tests and for programs that need no crash safety."""

from __future__ import annotations

import threading
from collections.abc import Callable

from scai.queues.base import Claim, Job, JobQueue


class MemoryQueue(JobQueue):
    """Waiting jobs in a dict; the same order and the same rules as the directory queue."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._waiting: set[str] = set()
        self._claimed: set[str] = set()
        self._held: dict[str, str] = {}
        self._change = threading.Condition()
        self._woken = False

    def place(self, job: Job) -> Callable[[], None]:
        with self._change:
            self._waiting.add(job.session)
            self._change.notify_all()
        return lambda: None

    def claim(self, limit: int, timeout: float) -> list[Claim]:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._woken, timeout)
            self._woken = False
            names = sorted(self._waiting)[:limit]
            return [self._take(name) for name in names]

    def claim_one(self, session: str) -> Claim | None:
        with self._change:
            return self._take(session) if session in self._waiting else None

    def _take(self, name: str) -> Claim:
        self._waiting.remove(name)
        self._claimed.add(name)
        return MemoryClaim(self, Job(name, self.kind))

    def withdraw(self, session: str) -> bool:
        with self._change:
            self._waiting.discard(session)
            if session in self._claimed:
                return False
            self._held.pop(session, None)
            return True

    def __len__(self) -> int:
        return len(self._waiting)

    def order(self, most: int) -> list[str] | None:
        with self._change:
            return sorted(self._waiting) if len(self._waiting) <= most else None

    def held(self) -> dict[str, str]:
        return dict(self._held)

    def wake(self) -> None:
        with self._change:
            self._woken = True
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._waiting |= self._claimed
            self._claimed.clear()

    def finish(self, name: str, *, back: bool = False, reason: str | None = None) -> None:
        """End the claim on `name`: done, given back, or held with a reason."""
        with self._change:
            if name not in self._claimed:
                return
            self._claimed.remove(name)
            if back:
                self._waiting.add(name)
            if reason is not None:
                self._held[name] = reason
            self._change.notify_all()


class MemoryClaim(Claim):
    """A claim on a job of a `MemoryQueue`."""

    def __init__(self, queue: MemoryQueue, job: Job) -> None:
        self.job = job
        self._queue = queue

    def done(self) -> None:
        self._queue.finish(self.job.session)

    def give_back(self) -> None:
        self._queue.finish(self.job.session, back=True)

    def hold(self, reason: str) -> None:
        self._queue.finish(self.job.session, reason=reason)
