"""Questions that may take long, or never be answered, such as those to a disk that hangs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

Run = Callable[[Callable[[], None]], None]


def in_a_thread(act: Callable[[], None]) -> None:
    """Run `act` in a thread of its own, which does not keep the process alive."""
    threading.Thread(target=act, name="lookout", daemon=True).start()


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer, and the time of the lookout's clock at which it was asked for."""

    value: T
    asked_at: float


class Lookout(Generic[T]):
    """Asks in a thread of its own, one question at a time, so that nobody waits for the answer.

    ask: may take any time; an exception counts as no answer
    period: least seconds between two questions; run: runs a question somewhere else, or at once
    """

    def __init__(
        self,
        ask: Callable[[], T],
        period: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        run: Run = in_a_thread,
    ) -> None:
        self._ask = ask
        self._period = period
        self._clock = clock
        self._run = run
        self._asked_at = -float("inf")
        self._asking = False
        self._answered = threading.Condition()
        self.answer: Answer[T] | None = None

    def look(self) -> Answer[T] | None:
        """The last answer; asks anew if it is time and nobody asks yet. Never waits."""
        with self._answered:
            now = self._clock()
            if self._asking or now - self._asked_at < self._period:
                return self.answer
            self._asking, self._asked_at = True, now
        try:
            self._run(self._question)
        except RuntimeError as error:  # no further thread can be started now
            log.error("nobody can look now: %s", error)
            self._end(None)
        return self.answer

    def wait(self, timeout: float) -> Answer[T] | None:
        """An answer to a question at most `period` old; None if none came within `timeout` s."""
        self.look()
        with self._answered:
            self._answered.wait_for(self._is_fresh, timeout)
            return self.answer if self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return self.answer is not None and self._clock() - self.answer.asked_at <= self._period

    def _question(self) -> None:
        asked_at = self._asked_at
        try:
            answer = Answer(self._ask(), asked_at)
        except Exception as error:
            log.warning("no answer: %r", error)
            self._end(None)
        else:
            self._end(answer)

    def _end(self, answer: Answer[T] | None) -> None:
        with self._answered:
            self._asking = False
            if answer is not None:
                self.answer = answer
            self._answered.notify_all()
