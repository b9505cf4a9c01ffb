"""Several waits for the disk at the same time.

A flush is nearly all waiting. One upload has several that need no order among themselves, so they
are handed to a few threads while the caller does one of them. The threads are few on purpose:
with many callers at once, each does its own waiting, and the processor has nothing to do for the
handing over.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What one upload or one verdict can use beside its own thread.
_HELPERS = 2
# Who waits while more than these do is not helped: the disk is busy with their flushes already.
_MOST_CALLERS = 1


def at_once(*acts: Callable[[], None]) -> None:
    """Do all of these at the same time, as far as helpers are free; return when all are done.

    Raises what the last of those that failed raised, after all have ended.
    """
    failure: Exception | None = None
    helpers = _helpers
    with helpers.caller():
        begun = [helpers.begin(act) for act in acts[1:]]
        for end in (*acts[:1], *begun):
            try:
                end()
            except Exception as error:
                failure = error
    if failure is not None:
        raise failure


class _Helpers:
    """The threads, started at the first use; they end with the process."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(_HELPERS)
        self._acts: queue.SimpleQueue[_Begun] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._counting = threading.Lock()
        self._started = 0
        self._callers = 0

    @contextmanager
    def caller(self) -> Iterator[None]:
        """Count this thread among those that wait for the disk."""
        with self._counting:
            self._callers += 1
        try:
            yield
        finally:
            with self._counting:
                self._callers -= 1

    def begin(self, act: Callable[[], None]) -> Callable[[], None]:
        """What waits for the end of `act`; without a helper, it does `act` itself."""
        if self._callers > _MOST_CALLERS or not self._free.acquire(blocking=False):
            return act
        with self._starting:
            if self._started < _HELPERS:
                self._started += 1
                threading.Thread(target=self._serve, name="flush", daemon=True).start()
        begun = _Begun(act)
        self._acts.put(begun)
        return begun.wait

    def _serve(self) -> None:
        while True:
            begun = self._acts.get()
            begun.run()
            self._free.release()


class _Begun:
    """An act that a helper does."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._failure: Exception | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    def run(self) -> None:
        try:
            self._act()
        except Exception as error:
            self._failure = error
        finally:
            self._ended.release()

    def wait(self) -> None:
        """Return when it is done; raise what it raised."""
        self._ended.acquire()
        if self._failure is not None:
            raise self._failure


_helpers = _Helpers()


def _forget_helpers() -> None:
    global _helpers
    _helpers = _Helpers()


# Threads do not survive a fork.
os.register_at_fork(after_in_child=_forget_helpers)
