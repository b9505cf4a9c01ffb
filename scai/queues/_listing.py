"""The waiting tickets of a queue folder, oldest first, with as little reading as possible.

The folder may hold a million names. Reading it takes a second, so it is read seldom: the names of
one reading are used up one by one, and an event puts each arrival in its place meanwhile. Names
sort by arrival. Events are hints: a name may be reported twice, or be gone; who takes it finds out.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from scai.queues._folders import QueueFolders
from scai.storage.pace import Pace
from scai.storage.session import NAME

# Names kept in memory, some 12 MB of them, and arrivals between two calls of `take`.
_MAX_NAMES = 100_000
_MAX_ARRIVALS = 10_000
# Sorts behind every name.
_BEHIND_ALL = "\U0010ffff"


class Listing:
    """Tickets that were read from the folder or reported by an event; each can be taken once.

    The folder is read again when all are taken, when events were missed, and every `sweep` seconds,
    or more seldom where reading takes long. A ticket that is taken may be gone from the folder.
    """

    def __init__(self, folders: QueueFolders, sweep: float) -> None:
        self._folders = folders
        self._sweep = sweep
        self._backlog = Backlog(NAME.fullmatch)
        self._pace = Pace(sweep)
        self._turn = threading.Lock()

    @property
    def old(self) -> bool:
        """Whether the last reading was `sweep` seconds ago."""
        return time.monotonic() - self._pace.read_at >= self._sweep

    def add(self, name: str) -> None:
        """Add the name of an arrival. Safe to call from any thread."""
        self._backlog.add(name)

    def mark_incomplete(self) -> None:
        """Read the folder at the next `refresh`: something may have arrived without an event."""
        self._backlog.incomplete = True

    def refresh(self) -> bool:
        """Read the folder if it is time; whether it was."""
        with self._turn:
            due = time.monotonic() >= self._pace.due_at
            if self._backlog and not self._backlog.incomplete and not due:
                return False
            with self._pace.reading():
                self._backlog.read(self._folders.tickets())
            return True

    def take(self) -> str | None:
        """Remove and return the oldest ticket in memory; None when there is none."""
        with self._turn:
            return self._backlog.take()


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
