"""Progress on the terminal, with an estimate of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

import click


class Progress:
    """Prints the progress of a piece of work every ten seconds.

    total: pieces in all, or None where a clock ends the work. unit: what they are, as in
        "pictures read"
    """

    def __init__(
        self,
        total: int | None,
        unit: str,
        every: float = 10.0,
        say: Callable[[str], object] = click.echo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._unit, self._every = total, unit, every
        self._say, self._clock = say, clock
        self._start = self._printed = clock()
        self._first = 0

    def begin(self, done: int) -> None:
        """Restart the time estimate: the `done` pieces so far took next to no time."""
        self._start, self._first = self._clock(), done

    def tell(self, done: int, more: str = "", left: float | None = None) -> bool:
        """Print the line if one is due, and return whether it was.

        done: pieces that are finished. more: words between them and the time left
        left: seconds until the end, where that is known better than from the pace so far
        """
        now, total = self._clock(), self._total
        if now - self._printed < self._every or done <= self._first:
            return False
        if total is not None and done >= total:
            return False
        if left is None and total is not None:
            left = (now - self._start) / (done - self._first) * (total - done)
        self._printed = now
        count = f"{done} {self._unit}" if total is None else f"{done}/{total} {self._unit}"
        end = "" if left is None else f"{_duration(max(0.0, left))} left"
        self._say("  ".join(part for part in (count, more, end) if part))
        return True


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 100 else f"{seconds:.0f} s"
