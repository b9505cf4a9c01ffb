"""Progress on the terminal, with an estimate of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

import click


class Progress:
    """Says every ten seconds how far a piece of work is.

    total: pieces in all. unit: what they are, as in "pictures seen"
    """

    def __init__(
        self,
        total: int,
        unit: str,
        every: float = 10.0,
        say: Callable[[str], object] = click.echo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._unit, self._every = total, unit, every
        self._say, self._clock = say, clock
        self._start = self._told = clock()
        self._first = 0

    def begin(self, done: int) -> None:
        """Count the time from here on, where `done` pieces cost nothing to speak of."""
        self._start, self._first = self._clock(), done

    def tell(self, done: int, more: str = "") -> None:
        """`done` pieces are over; `more` is said between them and the time left."""
        now = self._clock()
        if now - self._told < self._every or not self._first < done < self._total:
            return
        self._told = now
        left = (now - self._start) / (done - self._first) * (self._total - done)
        words = f"{left / 60:.1f} min" if left >= 100 else f"{left:.0f} s"
        parts = [f"{done}/{self._total} {self._unit}", more, f"{words} left"]
        self._say("  ".join(part for part in parts if part))
