"""When the cleaner runs before its time: at the start and whenever the disk is short of room."""

from __future__ import annotations

import time
from collections.abc import Callable

from scai.jobs.amounts import CALL_FLOORS, Amounts
from scai.storage.lookout import Lookout, Run, in_a_thread

# Seconds between two looks at the disk, and that the first look may take.
_LOOK = 2.0
# Seconds from the end of a cleaning to the next early one; doubled while room lacks all the same.
_PAUSE = 10.0
# Seconds that everything else waits for a cleaning at the start.
_LONGEST_FIRST = 60.0


def is_short(amounts: Amounts) -> Callable[[], bool]:
    """What tells whether uploads will soon be refused for lack of room. It raises OSError."""

    def short() -> bool:
        lack = amounts.shortage(CALL_FLOORS)
        return lack.bytes > 0 or lack.inodes > 0

    return short


class EarlyCleaning:
    """Says whether the cleaner is to run now. Never waits for the disk.

    short: whether the disk is short of room; `run` runs it aside
    longest_pause: seconds, the most between two early cleanings
    """

    def __init__(
        self,
        short: Callable[[], bool],
        longest_pause: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        run: Run = in_a_thread,
    ) -> None:
        self._lookout = Lookout(short, _LOOK, clock=clock, run=run)
        self._longest_pause = longest_pause
        self._clock = clock
        self._began = clock()
        self._pause = min(_PAUSE, longest_pause)
        self._due = -float("inf")
        self._is_first = True

    @property
    def due(self) -> bool:
        """Whether a cleaner that does not run is to be started."""
        answer = self._lookout.look()
        if answer is not None and not answer.value:
            self._pause = min(_PAUSE, self._longest_pause)
        return answer is not None and answer.value and self._clock() >= self._due

    @property
    def comes_first(self) -> bool:
        """Whether nothing else is to be started yet, for a minute at most.

        The other programs need a little room to start, and the cleaner makes it.
        """
        if self._is_first:
            answer, waited = self._lookout.look(), self._clock() - self._began
            if answer is None:
                self._is_first = waited < _LOOK
            else:
                self._is_first = answer.value and waited < _LONGEST_FIRST
        return self._is_first

    def note_end(self) -> None:
        """Note that a cleaning has ended."""
        self._is_first = False
        self._due = self._clock() + self._pause
        self._pause = min(2 * self._pause, self._longest_pause)
