"""The oldest names of a folder that may hold a million of them, at hand in their order.

Reading such a folder takes a second, so it is read seldom: what is read is used up, name by name,
and what arrives meanwhile is put in its place by its event. Names sort by arrival. Events are
hints: a name may be told twice, or be gone; whoever takes it finds out.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable

# Names kept in memory, some 12 MB of them, and arrivals between two looks.
_MOST = 100_000
_MOST_ARRIVALS = 10_000
# Sorts behind every name.
_BEHIND_ALL = "\U0010ffff"


class Backlog:
    """Names for which `valid` holds, oldest first. Only `tell` may be called by other threads."""

    def __init__(self, valid: Callable[[str], object], most: int = _MOST) -> None:
        self._valid = valid
        self._most = most
        self._sorted: deque[str] = deque()
        # Arrivals that are older than the last of the sorted, a heap.
        self._late: list[str] = []
        self._arrivals: deque[str] = deque()
        # Names from this one on are known to the folder only.
        self._end = _BEHIND_ALL
        self.incomplete = False

    def read(self, names: Iterable[str]) -> None:
        """Forget all and keep the oldest of these, the whole content of the folder."""
        self.clear()
        kept: list[str] = []
        for name in names:
            if name < self._end and self._valid(name):
                kept.append(name)
                if len(kept) >= 2 * self._most:
                    self._keep_oldest(kept)
        if len(kept) > self._most:
            self._keep_oldest(kept)
        kept.sort()
        self._sorted = deque(kept)

    def _keep_oldest(self, kept: list[str]) -> None:
        kept.sort()
        self._end = kept[self._most]
        del kept[self._most :]

    def tell(self, name: str) -> None:
        """A name has arrived. With too many untaken, `incomplete` says that they must be read."""
        if len(self._arrivals) < _MOST_ARRIVALS:
            self._arrivals.append(name)
        else:
            self.incomplete = True

    def take(self) -> str | None:
        """The oldest name, which is forgotten; None when there is none at hand."""
        self._sort_in()
        if self._late and (not self._sorted or self._late[0] < self._sorted[0]):
            return heapq.heappop(self._late)
        return self._sorted.popleft() if self._sorted else None

    def clear(self) -> None:
        """Forget all but the arrivals of this moment."""
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
            elif len(self._sorted) < 2 * self._most:
                self._sorted.append(name)
            else:
                self._end = name
