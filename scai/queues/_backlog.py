"""The oldest names of a folder that may hold a million of them, kept in memory in their order.

Reading such a folder takes a second, so it is read seldom: the names of one reading are used up one
by one, and an event puts each arrival in its place meanwhile. Names sort by arrival. Events are
hints: a name may be reported twice, or be gone; the caller of `take` finds out.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable

# Names kept in memory, some 12 MB of them, and arrivals between two calls of `take`.
_MAX_NAMES = 100_000
_MAX_ARRIVALS = 10_000
# Sorts behind every name.
_BEHIND_ALL = "\U0010ffff"


class Backlog:
    """Names for which `valid` holds, oldest first. Only `add` may be called by other threads."""

    def __init__(self, valid: Callable[[str], object], max_names: int = _MAX_NAMES) -> None:
        self._valid = valid
        self._max_names = max_names
        self._sorted: deque[str] = deque()
        # Arrivals that are older than the last of the sorted names, a heap.
        self._late: list[str] = []
        self._arrivals: deque[str] = deque()
        # Names from this one on are in the folder only.
        self._end = _BEHIND_ALL
        self.incomplete = False

    def read(self, names: Iterable[str]) -> None:
        """Replace all names by the oldest of these, the whole content of the folder."""
        self.clear()
        oldest: list[str] = []
        for name in names:
            if name < self._end and self._valid(name):
                oldest.append(name)
                if len(oldest) >= 2 * self._max_names:
                    self._cut(oldest)
        if len(oldest) > self._max_names:
            self._cut(oldest)
        oldest.sort()
        self._sorted = deque(oldest)

    def _cut(self, names: list[str]) -> None:
        """Leave the oldest names in the list; the others are in the folder only."""
        names.sort()
        self._end = names[self._max_names]
        del names[self._max_names :]

    def add(self, name: str) -> None:
        """Add a name that arrived. After too many of them, `incomplete` asks for a reading."""
        if len(self._arrivals) < _MAX_ARRIVALS:
            self._arrivals.append(name)
        else:
            self.incomplete = True

    def take(self) -> str | None:
        """Remove and return the oldest name; None when there is none in memory."""
        self._sort_in()
        if self._late and (not self._sorted or self._late[0] < self._sorted[0]):
            return heapq.heappop(self._late)
        return self._sorted.popleft() if self._sorted else None

    def clear(self) -> None:
        """Remove all names but those that arrive at this moment."""
        self._sort_in()
        self._sorted.clear()
        self._late.clear()
        self._end = _BEHIND_ALL
        self.incomplete = False

    def __bool__(self) -> bool:
        self._sort_in()
        return bool(self._sorted or self._late)

    def _sort_in(self) -> None:
        for _ in range(len(self._arrivals)):
            name = self._arrivals.popleft()
            if not (name < self._end and self._valid(name)):
                continue
            if self._sorted and name <= self._sorted[-1]:
                heapq.heappush(self._late, name)
            elif len(self._sorted) < 2 * self._max_names:
                self._sorted.append(name)
            else:
                self._end = name
