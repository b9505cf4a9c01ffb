"""Who waits before whom: one reading of a queue for all who ask within a second."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable

from scai.queues.base import JobQueue

# A reading is good for this long, in seconds, and for so many times as long as it took.
_GOOD_FOR = 1.0
_REST = 100
# Of a longer queue nobody is told the place: that it is long is all that matters.
MOST = 10_000


class Places:
    """The order of one queue as people need to know it. Safe between threads."""

    def __init__(self, queue: JobQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._reading = threading.Lock()
        self._good_until = -float("inf")
        self._order: list[str] | None = []

    def place(self, session: str) -> int | None:
        """How many jobs wait before that of `session`, which waits; None in a very long queue."""
        order = self._now()
        return None if order is None else bisect_left(order, session)

    def waits(self, session: str) -> bool:
        """Whether the job of `session` waited at the last reading, a second ago at most."""
        order = self._now()
        if not order:
            return False
        at = bisect_left(order, session)
        return at < len(order) and order[at] == session

    def _now(self) -> list[str] | None:
        # Those who come while one reads go by the old order.
        if self._clock() >= self._good_until and self._reading.acquire(blocking=False):
            try:
                started = self._clock()
                self._order = self._queue.order(MOST)
                ended = self._clock()
                self._good_until = ended + max(_GOOD_FOR, _REST * (ended - started))
            finally:
                self._reading.release()
        return self._order
