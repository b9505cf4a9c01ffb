"""The order in which job mode starts waiting sessions: oldest first, failed ones after a pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from scai.processes import EXIT_LATER
from scai.queues.base import JobQueue

# Seconds before a session whose process failed is tried again; doubled after each failure.
FIRST_PAUSE = 0.5
# The same for one whose process could not work for lack of room on the disk.
_LATER = 2.0


@dataclass
class Retry:
    """A session whose process failed: its kind, its number of failures, when to try again."""

    kind: str
    failures: int = 0
    due: float = 0.0


class StartOrder:
    """Picks the session to start next from the queues of several kinds.

    Each queue offers its oldest session (its head). A session whose process failed is no head any
    more: it comes back when its pause is over, as long as its ticket waits.
    """

    def __init__(
        self,
        queues: Mapping[str, JobQueue],
        *,
        first_pause: float = FIRST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queues = queues
        self._first_pause = first_pause
        self._clock = clock
        self._heads: dict[str, str] = {}
        self._retries: dict[str, Retry] = {}

    def next(self, running: Container[str]) -> tuple[str, str] | None:
        """The oldest session that may be started now, and its kind; None when there is none.

        It is not returned again soon. `running` are the sessions that have a process.
        """
        for kind in self._queues:
            self._update_head(kind, running)
        heads = [(name, kind) for kind, name in self._heads.items()]
        oldest = min([*heads, *self._due_retries(running)], default=None)
        if oldest in heads:
            del self._heads[oldest[1]]
        elif oldest is not None:
            self._retries[oldest[0]].due = self._clock() + self._first_pause
        return oldest

    def failures(self, session: str) -> int:
        """How many processes of a session have failed."""
        retry = self._retries.get(session)
        return 0 if retry is None else retry.failures

    def note_failure(self, session: str, kind: str, code: int) -> None:
        """Note that the process of a session ended with a code other than 0."""
        retry = self._retries.setdefault(session, Retry(kind))
        if code == EXIT_LATER:
            # The disk is full, or somebody else works on it: no fault of the session's.
            retry.due = self._clock() + _LATER
            return
        if code < 0:
            return  # killed: its attempt was counted when it began
        retry.failures += 1
        retry.due = self._clock() + self._first_pause * 2**retry.failures

    def forget(self, session: str) -> None:
        """Forget the failures of a session."""
        self._retries.pop(session, None)

    def _update_head(self, kind: str, running: Container[str]) -> None:
        """Drop a head that was claimed by others, and look for the next one if there is none."""
        queue = self._queues[kind]
        if not queue.waits(self._heads.get(kind, "")):
            self._heads.pop(kind, None)
        while kind not in self._heads and (name := queue.next_waiting()) is not None:
            if name not in running and name not in self._retries:
                self._heads[kind] = name

    def _due_retries(self, running: Container[str]) -> list[tuple[str, str]]:
        """The failed sessions whose pause is over; those that left the queue are forgotten."""
        due = []
        for name, retry in list(self._retries.items()):
            if name in running or retry.due > self._clock():
                continue
            queue = self._queues[retry.kind]
            if queue.waits(name):
                due.append((name, retry.kind))
            elif not queue.has(name):
                self.forget(name)
        return due
