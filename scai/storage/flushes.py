"""Flushes of files and folders: several at the same time, and one for all who ask for the same.

A flush is nearly all waiting. One upload has several that need no order among themselves, so they
are handed to a few threads while the caller does one of them. The threads are few on purpose: with
many callers at once, each does its own waiting, and the processor has nothing to do for the handing
over.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

# Threads that flush for others: what one upload or one verdict can use beside its own thread.
_HELPERS = 2
# With more callers than this, no helper threads are used: the disk is busy already.
_MAX_CALLERS = 1


def fsync_folder(path: Path) -> None:
    """Flush a directory: the names in it, not the files."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class GroupCommit:
    """Flushes of folders; whoever asks while one runs shares the next one with others who do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[str, _SharedFlush] = {}

    def callers(self, path: Path) -> int:
        """How many threads are in `flush` for that folder now."""
        with self._lock:
            shared = self._folders.get(os.fspath(path))
            return 0 if shared is None else shared.users

    def flush(self, path: Path) -> None:
        """Return after a flush that began after this call; raise what that flush raised."""
        key = os.fspath(path)
        with self._lock:
            shared = self._folders.get(key)
            if shared is None:
                shared = self._folders[key] = _SharedFlush(partial(fsync_folder, path))
            shared.users += 1
        try:
            shared.flush()
        finally:
            with self._lock:
                shared.users -= 1
                if shared.users == 0:
                    self._folders.pop(key, None)


class _SharedFlush:
    """The flushes of one folder, numbered in their order. `users` are in `flush` now."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.users = 0
        self._act = act
        self._turn = threading.Condition()
        self._finished = 0
        self._running = False
        self._errors: dict[int, OSError] = {}

    def flush(self) -> None:
        with self._turn:
            # One that runs already may have begun before the caller's names were there.
            number = self._finished + (2 if self._running else 1)
            while self._finished < number and self._running:
                self._turn.wait()
            if self._finished >= number:
                if number in self._errors:
                    raise self._errors[number]
                return
            self._running = True
        error: OSError | None = None
        try:
            self._act()
        except OSError as failure:
            error = failure
        with self._turn:
            self._running = False
            self._finished = number
            if error is not None:
                self._errors[number] = error
            self._turn.notify_all()
        if error is not None:
            raise error


def at_once(*acts: Callable[[], None]) -> None:
    """Do all of these at the same time, as far as helpers are free; return when all are done.

    Raises what the last of those that failed raised, after all have ended.
    """
    error: Exception | None = None
    helpers = _helpers
    with helpers.caller():
        ends = [*acts[:1], *map(helpers.begin, acts[1:])]
        for end in ends:
            try:
                end()
            except Exception as failure:
                error = failure
    if error is not None:
        raise error


class _Helpers:
    """The threads, started at the first use; they end with the process."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(_HELPERS)
        self._acts: queue.SimpleQueue[_HandedOver] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._callers = 0

    @contextmanager
    def caller(self) -> Iterator[None]:
        """Count this thread among those that wait for the disk."""
        with self._lock:
            self._callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1

    def begin(self, act: Callable[[], None]) -> Callable[[], None]:
        """Hand `act` to a helper and return what waits for its end; `act` itself without one."""
        if self._callers > _MAX_CALLERS or not self._free.acquire(blocking=False):
            return act
        with self._lock:
            if self._started < _HELPERS:
                self._started += 1
                threading.Thread(target=self._serve, name="flush", daemon=True).start()
        handed_over = _HandedOver(act)
        self._acts.put(handed_over)
        return handed_over.wait

    def _serve(self) -> None:
        while True:
            self._acts.get().run()
            self._free.release()


class _HandedOver:
    """An act that a helper does. A plain lock, which costs a fraction of a Future."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._error: Exception | None = None
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        """Do it, in the helper's thread."""
        try:
            self._act()
        except Exception as error:
            self._error = error
        finally:
            self._running.release()

    def wait(self) -> None:
        """Return when it is done, once; raise what it raised."""
        self._running.acquire()
        if self._error is not None:
            raise self._error


_helpers = _Helpers()


def _forget_helpers() -> None:
    global _helpers
    _helpers = _Helpers()


# Threads do not survive a fork.
os.register_at_fork(after_in_child=_forget_helpers)
