"""Who waits for which session: woken by the queues' events, without polling."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from scai.queues.base import JobQueue


class Waiters:
    """Events by session name. Listens to the queues while somebody waits, from the first time on.

    `informed` says whether every queue really tells of finished jobs.
    """

    def __init__(self, queues: Iterable[JobQueue]) -> None:
        self._queues = list(queues)
        self._lock = threading.Lock()
        self._arming = threading.Lock()
        self._events: dict[str, list[threading.Event]] = {}
        self.informed = False

    @contextmanager
    def waiting_for(self, name: str) -> Iterator[threading.Event]:
        """An event that is set whenever the session's job left its queue."""
        event = threading.Event()
        # Not under the lock that `_ring` takes: to listen anew ends a thread that may be ringing.
        with self._arming:
            self.informed = all([queue.listen(self._ring) for queue in self._queues])
        with self._lock:
            self._events.setdefault(name, []).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[name].remove(event)
                if not self._events[name]:
                    del self._events[name]

    def _ring(self, name: str) -> None:
        with self._lock:
            for event in self._events.get(name, ()):
                event.set()
