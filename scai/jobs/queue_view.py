"""A queue as uploads and followers see it: is there room, and who waits before whom.

A folder of a million tickets takes a second to read, so one reading serves all who ask.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable

from scai.queues.base import JobQueue
from scai.storage.pace import Reading

# In a longer queue nobody is told the place: that it is long is all that matters.
MAX_ORDER = 10_000


class QueueView:
    """Room and order of one queue, read again every `least` seconds at most. Safe between threads.

    What it says may be that much older than the queue, and more where reading takes long. No order
    is read of a queue with more than `max_order` jobs.
    """

    def __init__(
        self,
        queue: JobQueue,
        clock: Callable[[], float] = time.monotonic,
        least: float = 1.0,
        max_order: int = MAX_ORDER,
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._count = Reading(self._read_count, 0, least, clock)
        self._order = Reading[list[str] | None](lambda: queue.order(max_order), [], least, clock)
        self._admitted = 0

    def admit(self, limit: int) -> bool:
        """Whether fewer than `limit` jobs wait; if so, one more counts from now on.

        Jobs that workers took since the last count still count; before this refuses anybody, the
        count is `least` seconds old at most.
        """
        # Every upload comes by here, and a reading is seldom due.
        count = self._count.latest if self._clock() < self._count.due_at else self._count.value()
        if count + self._admitted >= limit:
            if self._count.value(soon=True) + self._admitted >= limit:
                return False
        self._admitted += 1
        return True

    def _read_count(self) -> int:
        count = len(self._queue)
        self._admitted = 0
        return count

    def place(self, session: str) -> int | None:
        """How many jobs wait before that of `session`, which waits; None in a very long queue."""
        order = self._order.value()
        return None if order is None else bisect_left(order, session)

    def waits(self, session: str) -> bool:
        """Whether the job of `session` waited at the last reading; False in a very long queue."""
        order = self._order.value()
        if not order:
            return False
        at = bisect_left(order, session)
        return at < len(order) and order[at] == session
