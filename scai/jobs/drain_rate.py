"""How fast a queue is worked off, for those who are told when to come back."""

from __future__ import annotations

import math

# Seconds after which a measurement counts half.
_HALF_LIFE = 60.0
# Seconds of work that must have been seen before the rate is known.
_LEAST = 1.0


class DrainRate:
    """Jobs a second that leave a queue while some wait; a queue that is empty measures nothing.

    Not locked: the caller decides who notes.
    """

    def __init__(self) -> None:
        self._jobs = 0.0
        self._seconds = 0.0
        self._waiting = 0
        self._at = 0.0

    def note(self, now: float, arrivals: int, waiting: int) -> None:
        """Note a count at the time `now`: `waiting` jobs, after `arrivals` since the last count."""
        if self._waiting and waiting:
            span = max(0.0, now - self._at)
            fade = 0.5 ** (span / _HALF_LIFE)
            self._jobs = self._jobs * fade + max(0, self._waiting + arrivals - waiting)
            self._seconds = self._seconds * fade + span
        self._waiting, self._at = waiting, now

    @property
    def per_second(self) -> float | None:
        """The rate; None before it could be measured."""
        return self._jobs / self._seconds if self._seconds >= _LEAST else None

    def seconds_for(self, jobs: float) -> float | None:
        """Seconds until that many jobs have left; infinite in a queue that stands still."""
        rate = self.per_second
        if rate is None:
            return None
        return jobs / rate if rate > 0 else math.inf
