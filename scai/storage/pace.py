"""How often something costly may be read again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

# A reading is good for this many times as long as it took: reading costs 1 % of the time at most.
_TIMES = 100


class Pace:
    """Due `least` seconds after the last reading, or 100 times its duration, whichever is longer.

    `read_at` is the end of the last reading, and `due_at` when the next one is due, as times of
    `clock`. Not locked: the caller decides who reads.
    """

    def __init__(
        self, least: float, clock: Callable[[], float] = time.monotonic, times: float = _TIMES
    ) -> None:
        self._least = least
        self._clock = clock
        self._times = times
        self.read_at = self.due_at = -float("inf")

    @property
    def age(self) -> float:
        """Seconds since the end of the last reading; infinite before the first one."""
        return self._clock() - self.read_at

    @property
    def due(self) -> bool:
        """Whether it is time to read again."""
        return self._clock() >= self.due_at

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Measure a reading; one that raises does not count."""
        started = self._clock()
        yield
        self.read_at = self._clock()
        self.due_at = self.read_at + max(self._least, self._times * (self.read_at - started))


class Reading(Generic[T]):
    """The last value of `read`, which is called again at the pace of `Pace`. Safe between threads.

    Callers who come while another one reads get the old value, which is `first` before any reading.
    `latest` is the last value, however old; from the time `due_at` of `clock` on, `value` reads it
    again.
    """

    def __init__(
        self,
        read: Callable[[], T],
        first: T,
        least: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self.latest = first
        self._least = least
        self._pace = Pace(least, clock)
        self.due_at = self._pace.due_at
        self._reader = threading.Lock()

    def value(self, *, soon: bool = False) -> T:
        """The value; with `soon`, never older than `least` seconds, whatever reading costs."""
        due = self._pace.age >= self._least if soon else self._pace.due
        if due and self._reader.acquire(blocking=False):
            try:
                with self._pace.reading():
                    self.latest = self._read()
                self.due_at = self._pace.due_at
            finally:
                self._reader.release()
        return self.latest
