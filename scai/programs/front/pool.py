"""Threads that run short pieces of work, started when there is work for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger(__name__)

Work = Callable[[], None]


def _start(run: Callable[[], None], name: str) -> None:
    threading.Thread(target=run, name=name, daemon=True).start()


class Pool:
    """At most `threads` threads. They are daemons: a stop waits for none that hangs.

    start: starts a thread of that name; raises RuntimeError if the system has none to give
    """

    def __init__(
        self, name: str, threads: int, start: Callable[[Work, str], None] = _start
    ) -> None:
        self._name = name
        self._most = threads
        self._start = start
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        # Threads that wait, less the pieces of work that wait for one.
        self._spare = 0

    def submit(self, work: Work) -> None:
        """Run `work` in a thread as soon as one is free.

        Raises RuntimeError if there is no thread, and none can be started.
        """
        with self._lock:
            self._spare -= 1
            new = self._spare < 0 and self._threads < self._most
            if new:
                self._threads += 1
                self._spare += 1
        if new:
            try:
                self._start(self._run, f"{self._name}-{self._threads}")
            except RuntimeError as error:
                with self._lock:
                    self._threads -= 1
                    self._spare -= 1
                    if not self._threads:
                        self._spare += 1
                        raise
                log.error("no further thread for a %s: %s", self._name, error)
        self._work.put(work)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:
                log.exception("a request was left without an answer")
            finally:
                with self._lock:
                    self._spare += 1

    def close(self) -> None:
        """Let the threads end when the work that waits is done."""
        for _ in range(self._threads):
            self._work.put(None)
