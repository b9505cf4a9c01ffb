"""A queue as followers see it: who waits before whom.

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
    """The order of one queue, read again every `least` seconds at most. Safe between threads.

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
        self._order = Reading[list[str] | None](lambda: queue.order(max_order), [], least, clock)

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
