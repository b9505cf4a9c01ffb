"""How many jobs wait, without reading a queue's folder for every upload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from scai.queues.base import JobQueue

# A count is good for this long in seconds, and for so many times as long as counting took.
_GOOD_FOR = 1.0
_REST = 100


class Depth:
    """The depth of one queue as far as this process needs to know it. Safe between threads."""

    def __init__(self, queue: JobQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._counting = threading.Lock()
        self._counted_at = -float("inf")
        self._took = 0.0
        self._depth = 0

    def room(self, most: int) -> bool:
        """Whether fewer than `most` jobs wait; if so, one more is taken to wait from now on.

        Those that workers took since the last count are still counted in; before it says no, the
        count is at most a second old.
        """
        age = self._clock() - self._counted_at
        rest = _GOOD_FOR if self._depth >= most else max(_GOOD_FOR, _REST * self._took)
        if age > rest:
            self._count()
        if self._depth >= most:
            return False
        self._depth += 1
        return True

    def _count(self) -> None:
        # Those who come while one counts go by the old number.
        if not self._counting.acquire(blocking=False):
            return
        try:
            started = self._clock()
            self._depth = len(self._queue)
            self._counted_at = self._clock()
            self._took = self._counted_at - started
        finally:
            self._counting.release()
