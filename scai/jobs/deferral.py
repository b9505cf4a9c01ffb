"""A request that waits for news without a thread: it is asked again when there may be some.

A server that can wait puts a Deferral into the environment of a request and calls the application.
A route that has nothing to tell yet notes in it what it waits for, and answers as if the time were
up. The server drops that answer, waits, and calls the application again, with the same Deferral.
Under another server there is none, and the route waits in its thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from scai.jobs.waiters import Bell, Pause, Waiters

# Its name in the environment of a request.
KEY = "scai.deferral"


class Deferral:
    """One request over all calls. `close` it when it is answered or its client has left.

    pause: what the last call waits for; None if its answer is to be sent
    answer: gives the body of the answer if there is news by now, else None; the rest of the answer
        is as in the one that was dropped. It spares a call of the application
    told: is called when that was the answer
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pause: Pause | None = None
        self.answer: Callable[[], bytes | None] = lambda: None
        self.told: Callable[[], None] = lambda: None
        self._clock = clock
        self._deadline: float | None = None
        self._name = ""
        self._bell = Bell()
        self._registration = ExitStack()

    def left(self, seconds: float) -> float:
        """What is left of a wait of so many seconds, which began with the first call of this."""
        if self._deadline is None:
            self._deadline = self._clock() + seconds
        return max(0.0, self._deadline - self._clock())

    def listen(self, waiters: Waiters, name: str) -> None:
        """Hear from now on, and until it is closed, when the job of that session ends."""
        if name != self._name:
            self._registration.close()
            self._bell = self._registration.enter_context(waiters.waiting_for_any([name]))
            self._name = name
        self._bell.wait(0)  # what it rang for until now is about to be looked at

    def wait(self, seconds: float, recheck: float, done: Callable[[], bool]) -> None:
        """Let the application be called again when the bell rings, or after `seconds`.

        done: a cheap look whether it should be called, every `recheck` seconds: bells are hints
        """
        self.pause = Pause(self._bell, seconds, recheck, done)

    def expire(self) -> None:
        """Let the next call be the last: it is answered whatever there is to tell."""
        self._deadline = self._clock()

    def close(self) -> None:
        """Hear no longer."""
        self._bell.listen(None)
        self._registration.close()
