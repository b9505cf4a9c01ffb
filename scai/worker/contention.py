"""Sessions whose lock others hold: for how long, and how a worker takes them from a stopped holder.

A lock is held for one change, which takes a moment. Who holds it for much longer has stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from scai.storage import takeover
from scai.storage.disk import Disk
from scai.worker.task import Task

# More sessions than this are not contended by stopped holders.
_MOST = 10_000


@dataclass
class _Held:
    """When a lock was found held first and last, by the clock."""

    first: float
    last: float


class Contention:
    """Remembers the failed tries for locks of sessions. Safe between threads.

    Whoever holds a lock for `patience` seconds has stopped: all tries fail meanwhile. Where none is
    made for as long, nobody knows, and the patience begins anew. `clock` never steps.
    """

    def __init__(
        self,
        disk: Disk,
        patience: float = 30.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._disk = disk
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        # Sessions with a failed try lately; whoever has the lock of one is to `forget` it.
        self.held: dict[str, _Held] = {}

    def note(self, task: Task) -> bool:
        """Note a try that failed; take the session from a holder who has stopped.

        Whether the session is free now. The caller has the claim of the job. Raises OSError, and
        NotFound when there is no such session.
        """
        if not self._is_stopped(task.session.name):
            return False
        return task.is_current and takeover.renew(task.session.path, self._disk)

    def forget(self, task: Task) -> None:
        """The lock of that session was had."""
        with self._lock:
            self.held.pop(task.session.name, None)

    def _is_stopped(self, name: str) -> bool:
        """Whether the holder counts as stopped, which is said once for each patience."""
        now = self._clock()
        with self._lock:
            held = self.held.get(name)
            if held is None or now - held.last > self._patience:
                if len(self.held) >= _MOST:
                    self.held.clear()
                held = self.held[name] = _Held(now, now)
            held.last = now
            if now - held.first < self._patience:
                return False
            del self.held[name]
            return True
