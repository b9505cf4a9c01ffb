"""How many bytes of uploads may be in memory at once."""

from __future__ import annotations

import threading


class MemoryBudget:
    """At most `limit` bytes, for many holders together. Safe between threads.

    within: the budget of which this one is a part; what is held here is held there too.
    """

    def __init__(self, limit: int, within: MemoryBudget | None = None) -> None:
        self.limit = limit
        self._within = within
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def acquire(self, size: int) -> bool:
        """Hold `size` bytes more; False, and nothing changes, if there is no room for them."""
        with self._lock:
            if self._held + size > self.limit:
                return False
            if self._within is not None and not self._within.acquire(size):
                return False
            self._held += size
            return True

    def release(self, size: int) -> None:
        """Give back `size` of the bytes that are held."""
        with self._lock:
            self._held -= size
        if self._within is not None:
            self._within.release(size)

    def release_all(self) -> None:
        """Give back all bytes that are held."""
        self.release(self._held)
