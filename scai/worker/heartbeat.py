"""A worker's heartbeats, and the phase that it is in."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scai.storage.disk import may_pass

log = logging.getLogger(__name__)

# Longest time between two heartbeats of a worker that has nothing to do, in seconds.
PERIOD = 1.0


class Heartbeat:
    """Sends heartbeats: the loop that runs the engine calls it, and no other one does.

    While a model is loaded, `loading` sends them in place of that loop, but for `load_timeout`
    seconds at most: when a load hangs, they end, and others see it.

    beat: sends one, such as that of a queue; tell: publishes facts, such as the phase;
    period: seconds between two heartbeats
    """

    def __init__(
        self,
        beat: Callable[[], None],
        *,
        load_timeout: float = 600.0,
        tell: Callable[..., None] = lambda **facts: None,
        period: float = PERIOD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beat = beat
        self._load_timeout = load_timeout
        self._publish = tell
        self._clock = clock
        self._failing = False
        self.period = period

    def __call__(self) -> None:
        """Send a heartbeat; one that cannot be sent is an entry in the log, once."""
        try:
            self._beat()
        except OSError as error:
            if not self._failing:
                log.error("no heartbeat can be sent: %s", error)
            self._failing = True
        else:
            self._failing = False

    def tell(self, **facts: Any) -> None:
        """Publish facts about the worker; a disk that does not take them stops nothing."""
        try:
            self._publish(**facts)
        except OSError as error:
            log.error("this worker cannot tell its state: %s", error)

    def wait_to_tell(
        self, tell: Callable[[], None], pause: Callable[[float], bool], seconds: float = 1.0
    ) -> None:
        """Publish facts that others wait for, however long the disk is full.

        `pause` sleeps between two tries of `tell`, and says whether to give up. Raises OSError for
        an error of the disk that does not pass by itself.
        """
        while True:
            try:
                tell()
                return
            except OSError as error:
                if not may_pass(error):
                    raise
                log.error("this worker cannot tell its state now: %s", error)
            self()
            if pause(seconds):
                return

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Send heartbeats during the block, which loads a model."""
        ended = threading.Event()
        sender = threading.Thread(target=self._send, args=(ended,), name="loading", daemon=True)
        self.tell(phase="loading")
        sender.start()
        try:
            yield
        finally:
            ended.set()
            sender.join()
        self.tell(phase="working")

    def _send(self, ended: threading.Event) -> None:
        deadline = self._clock() + self._load_timeout
        self()
        while not ended.wait(self.period):
            if self._clock() >= deadline:
                log.error("a model has been loading for %g s (load_timeout)", self._load_timeout)
                return
            self()
