"""Threads that wait for sessions, woken by the queues' events without polling."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from scai.queues.base import JobQueue


class _Ringable(Protocol):
    def set(self) -> None: ...


class Bell:
    """A bell for several sessions, which remembers for which of them it was rung."""

    def __init__(self) -> None:
        self._rung: set[str] = set()
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._listener: Callable[[], None] | None = None

    def ring(self, name: str) -> None:
        """Ring for that session."""
        with self._lock:
            self._rung.add(name)
            self._event.set()
            listener, self._listener = self._listener, None
        if listener is not None:
            listener()

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call `listener` once, from any thread, when it rings, at once if it has rung.

        It must be short. It replaces the one before; None takes it away.
        """
        with self._lock:
            rung = self._event.is_set() and listener is not None
            self._listener = None if rung else listener
        if rung and listener is not None:
            listener()

    def wait_rung(self, timeout: float) -> None:
        """Wait until it rings, or for `timeout` seconds, and leave what it rang for."""
        self._event.wait(timeout)

    def wait(self, timeout: float) -> set[str]:
        """The sessions it was rung for since the last wait; none after `timeout` seconds."""
        self._event.wait(timeout)
        with self._lock:
            self._event.clear()
            rung, self._rung = self._rung, set()
        return rung


@dataclass(eq=False)
class Pause:
    """A wait that needs no thread: until the bell rings, or for `seconds`.

    done: a cheap look whether the wait is over, to be taken every `recheck` seconds
    """

    bell: Bell
    seconds: float
    recheck: float = math.inf
    done: Callable[[], bool] | None = None

    def wait(self) -> None:
        """Wait in this thread; what the bell rang for is still to be asked of it."""
        self.bell.wait_rung(self.seconds)


@dataclass(eq=False)
class _Named:
    """One session of a bell, with the interface of an event."""

    bell: Bell
    name: str

    def set(self) -> None:
        self.bell.ring(self.name)


class Waiters:
    """Events by session name. Listens to the queues from the first wait on.

    `informed` says whether every queue reports the ends of claims.
    """

    def __init__(self, queues: Iterable[JobQueue]) -> None:
        self._queues = list(queues)
        self._lock = threading.Lock()
        self._arming = threading.Lock()
        self._events: dict[str, list[_Ringable]] = {}
        self.informed = False

    def __len__(self) -> int:
        """How many sessions are waited for."""
        return len(self._events)

    @contextmanager
    def waiting_for(self, name: str) -> Iterator[threading.Event]:
        """An event that is set whenever a claim on the session's job ends."""
        event = threading.Event()
        self._listen()
        self._add(name, event)
        try:
            yield event
        finally:
            self._drop(name, event)

    @contextmanager
    def waiting_for_any(self, names: Iterable[str]) -> Iterator[Bell]:
        """A bell that is rung for each of these sessions when a claim on its job ends."""
        bell = Bell()
        self._listen()
        named = [_Named(bell, name) for name in names]
        for each in named:
            self._add(each.name, each)
        try:
            yield bell
        finally:
            for each in named:
                self._drop(each.name, each)

    def _listen(self) -> None:
        # Not under the lock that `ring` takes: to listen anew ends a thread that may be ringing.
        with self._arming:
            self.informed = all([queue.listen_for_ends(self.ring) for queue in self._queues])

    def _add(self, name: str, event: _Ringable) -> None:
        with self._lock:
            self._events.setdefault(name, []).append(event)

    def _drop(self, name: str, event: _Ringable) -> None:
        with self._lock:
            self._events[name].remove(event)
            if not self._events[name]:
                del self._events[name]

    def ring(self, name: str) -> None:
        """Set the events of those who wait for that session."""
        with self._lock:
            for event in self._events.get(name, ()):
                event.set()
