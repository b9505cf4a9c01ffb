"""The helpers of one worker: taken for one input, kept for the next, ended with the worker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from scai.errors import OutOfResources
from scai.pictures.pixels import Picture
from scai.worker.decoders.helper import Helper, HelperDied, Interrupted, Terms

log = logging.getLogger(__name__)

# Seconds before a start is tried again after one has failed, doubled up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class NoHelper(Exception):
    """No helper can be started now, which is no fault of any input."""

    def __init__(self) -> None:
        super().__init__("no helper process for decoding can be started now")


class HelperPool:
    """Decodes in helper processes; one is started when it is needed first.

    keep: most helpers that wait for work; the caller's threads bound how many there are at once.
    After a start that failed, none is tried for a while: see `decode`.
    `died` counts the helpers that ended, or were ended, while they decoded.
    """

    def __init__(
        self,
        terms: Terms,
        keep: int = 2,
        *,
        start: Callable[[Terms], Helper] = Helper,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms = terms
        self._keep = keep
        self._start, self._clock = start, clock
        self._lock = threading.Lock()
        self._idle: list[Helper] = []
        self._busy: list[Helper] = []
        self._pause = 0.0
        self._not_before = 0.0
        self._told = False
        self._closed = False
        self.died = 0

    def decode(
        self,
        data: bytes,
        least: tuple[int, int] | None,
        needed: int,
        *,
        fresh: bool = False,
        on_slow: Callable[[], None] = lambda: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> Picture:
        """Decode an input in a helper; arguments and errors as in `Helper.decode`.

        `fresh`: in a new helper, which is not kept. Raises NoHelper while none can be started.
        """
        helper = self._take(fresh)
        usable = not fresh
        try:
            return helper.decode(data, least, needed, on_slow=on_slow, is_stopping=is_stopping)
        except HelperDied as error:
            log.warning("a decoding helper ended: %s", error)
            usable = False
            raise
        except (Interrupted, OutOfResources):
            usable = False
            raise
        finally:
            self._put_back(helper, usable)

    def helpers(self) -> list[int]:
        """The process numbers of the helpers that there are."""
        with self._lock:
            return [helper.pid for helper in (*self._idle, *self._busy)]

    def close(self) -> None:
        """End all helpers, also those that decode; no other is started from now on."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for helper in self._busy:
                helper.kill()
        for helper in idle:
            helper.end()

    def _take(self, fresh: bool) -> Helper:
        with self._lock:
            if self._idle and not fresh:
                helper = self._idle.pop()
                self._busy.append(helper)
                return helper
            if self._closed or self._clock() < self._not_before:
                raise NoHelper
        return self._begin()

    def _begin(self) -> Helper:
        try:
            helper = self._start(self._terms)
        except (OSError, HelperDied) as error:
            with self._lock:
                # Starts that fail together in several threads are one failure.
                if self._clock() >= self._not_before:
                    self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _FIRST_PAUSE)
                    self._not_before = self._clock() + self._pause
                told, self._told = self._told, True
            if not told:
                log.error("no helper process for decoding can be started: %s", error)
            raise NoHelper from error
        with self._lock:
            self._pause, self._not_before, self._told = 0.0, 0.0, False
            self._busy.append(helper)
            if self._closed:
                helper.kill()
        return helper

    def _put_back(self, helper: Helper, usable: bool) -> None:
        with self._lock:
            self._busy.remove(helper)
            self.died += helper.is_ended
            keeps = usable and not (helper.is_ended or helper.was_slow or self._closed)
            keeps = keeps and len(self._idle) < self._keep
            if keeps:
                self._idle.append(helper)
        if not keeps:
            helper.end()
