"""How old a moment is that another process wrote down, whatever the system's clock does."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds between the two clocks that come from no step: the system's clock is corrected by less.
_TOLERANCE = 5.0


class AgeClock:
    """Tells ages of moments in epoch seconds. After a clock step, all count from the step on.

    A step is seen as a change of the distance between `wall`, the system's clock, and `clock`,
    which never steps. The time that a machine sleeps is such a step. A look now and then, by
    `look` or `age`, is what steps are seen by.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._clock = clock
        self._distance = wall() - clock()
        self._since = -float("inf")

    def look(self) -> None:
        """See whether the clock was set since the last look."""
        now = self._clock()
        distance = self._wall() - now
        if abs(distance - self._distance) > _TOLERANCE:
            self._since = now
        self._distance = distance

    def age(self, moment: float) -> float:
        """Seconds since `moment`; 0 for one that lies ahead."""
        self.look()
        return max(0.0, min(self._wall() - moment, self._clock() - self._since))
