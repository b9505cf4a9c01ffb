"""Batches made ahead of time, in a thread, while the network learns from earlier ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np

Batch = tuple[np.ndarray, ...]
MakeBatch = Callable[[np.random.Generator, int], Batch]  # random generator, step
_AHEAD = 4  # batches


class Prefetch:
    """Makes the batches of one step after the other; a context manager.

    Step n always gets the batch made from (seed, n), so a resumed training continues exactly as if
    it had not stopped.
    """

    def __init__(self, make: MakeBatch, seed: int, first: int) -> None:
        self._ready: queue.Queue[Batch | Exception] = queue.Queue(maxsize=_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(make, seed, first))

    def __enter__(self) -> Prefetch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join()

    def next(self) -> Batch:
        """Return the batch of the next step. Raises the error of the function that makes it."""
        item = self._ready.get()
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self, make: MakeBatch, seed: int, step: int) -> None:
        while not self._stop.is_set():
            try:
                item: Batch | Exception = make(np.random.default_rng((seed, step)), step)
            except Exception as error:  # `next` raises it, so that the training fails
                item = error
            step += 1
            while not self._stop.is_set():
                with suppress(queue.Full):
                    self._ready.put(item, timeout=0.2)
                    break
