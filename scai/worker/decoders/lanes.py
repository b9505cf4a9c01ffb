"""The threads in which helpers decode: what is not proved harmless, and suspects.

Decoding threads of the worker never wait for a helper, so harmless inputs pass by those of which
nobody knows how long they take. A slow input gives up its slot: as many others as before go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from scai.pictures.pixels import Picture
from scai.worker.decoders.helper import Interrupted
from scai.worker.decoders.pool import HelperPool

# Slow inputs that are decoded beside the others; the next slow ones wait.
_SLOW = 4


class Crowded(Interrupted):
    """An input turned out to be slow while as many slow ones as may are being decoded."""


class Lanes:
    """One lane for each of `threads` quick inputs, some for slow ones, and one for suspects.

    An input that turns out to be slow goes on beside the quick ones, or begins anew in the lane of
    slow ones where no more may: quick ones always find a lane.

    pool: of the helpers, closed with the lanes; without one, only suspects come here, and it does
    not decode
    """

    def __init__(self, pool: HelperPool | None, threads: int) -> None:
        self._pool = pool
        self._helpers = ThreadPoolExecutor(threads + _SLOW, thread_name_prefix="helper")
        self._suspects = ThreadPoolExecutor(1, thread_name_prefix="suspect")
        self._slow = ThreadPoolExecutor(_SLOW, thread_name_prefix="slow")
        self._slots = threading.Semaphore(threads)
        self._slow_slots = threading.Semaphore(_SLOW)
        self._lock = threading.Lock()
        # Whether helper processes decode here, and how many jobs wait for a lane.
        self.has_helpers = pool is not None
        self.parked = 0

    @property
    def died(self) -> int:
        """How many helpers ended, or were ended, while they decoded."""
        return self._pool.died if self._pool is not None else 0

    def submit(self, act: Callable[..., object], *arguments: Any) -> None:
        """Call `act` in a lane of a helper as soon as one is free."""
        self._park(1)
        self._helpers.submit(self._begin, act, *arguments)

    def submit_slow(self, act: Callable[..., object], *arguments: Any) -> None:
        """Call `act` in a lane of slow inputs, after those before."""
        self._park(1)
        self._slow.submit(self._begin, act, *arguments)

    def submit_alone(self, act: Callable[..., object], *arguments: Any) -> None:
        """Call `act` in the lane of suspects, after those before."""
        self._park(1)
        self._suspects.submit(self._begin, act, *arguments)

    def _begin(self, act: Callable[..., object], *arguments: Any) -> None:
        self._park(-1)
        act(*arguments)

    def _park(self, count: int) -> None:
        with self._lock:
            self.parked += count

    @contextmanager
    def slot(self) -> Iterator[Callable[[], None]]:
        """Wait for one of the slots of quick inputs; the function changes it for a slow one's.

        It raises Crowded when there is none.
        """
        with ExitStack() as held:
            self._slots.acquire()
            held.callback(self._slots.release)

            def give_up() -> None:
                if not self._slow_slots.acquire(blocking=False):
                    raise Crowded
                held.close()
                held.callback(self._slow_slots.release)

            yield give_up

    @contextmanager
    def slow_slot(self) -> Iterator[None]:
        """Wait for one of the slots of slow inputs."""
        with self._slow_slots:
            yield

    def decode(
        self,
        data: bytes,
        least: tuple[int, int] | None,
        needed: int,
        *,
        fresh: bool,
        on_slow: Callable[[], None],
        is_stopping: Callable[[], bool],
    ) -> Picture:
        """Decode in a helper, as `HelperPool.decode` does."""
        assert self._pool is not None
        return self._pool.decode(
            data, least, needed, fresh=fresh, on_slow=on_slow, is_stopping=is_stopping
        )

    def abandon(self) -> None:
        """End the helpers, also those that decode, and wait for no thread."""
        for threads in (self._helpers, self._slow, self._suspects):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            self._pool.close()

    def close(self) -> None:
        """End the threads, which must have nothing in hand, and the helpers."""
        self._helpers.shutdown()
        self._slow.shutdown()
        self._suspects.shutdown()
        if self._pool is not None:
            self._pool.close()
