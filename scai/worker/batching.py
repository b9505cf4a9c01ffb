"""Decoded jobs on their way to the engine, and how they form inference batches.

While the engine runs one batch, the next one gathers. With a longest wait of zero, a picture that
finds the engine free never waits for others.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass

from scai.worker.task import Task

# Why a batch was closed.
FULL = "full"  # it had the largest size
FREE = "free"  # the engine was free, and the longest wait is zero
WAITED = "waited"  # the longest wait was over
LAST = "last"  # no other task was on its way
MEMORY = "memory"  # the other pictures wait for memory
IDLE = "idle"  # nothing came in time: a batch without tasks


@dataclass(frozen=True)
class InferenceBatch:
    """Tasks of one model that are run together, and why the batch was closed."""

    tasks: list[Task]
    closed: str


class InferenceQueue:
    """Tasks between the decoding threads and the thread that runs the engine.

    largest: most pictures in a batch; wait: seconds that a batch is kept open for more pictures;
    memory: bytes of decoded pictures beyond which decoding waits for the engine
    """

    def __init__(self, largest: int, wait: float = 0.0, memory: int = 256_000_000) -> None:
        self.sizes: Counter[int] = Counter()
        self.closed: Counter[str] = Counter()
        self._largest = largest
        self._wait = wait
        self._memory = memory
        self._change = threading.Condition()
        self._ready: list[tuple[float, Task]] = []
        self._announced_count = 0
        self._bytes = 0
        self._stuck = 0
        self._ended = False

    def announce(self) -> None:
        """Expect one more task; `put` or `drop` follows."""
        with self._change:
            self._announced_count += 1

    def put(self, task: Task) -> None:
        """Add an expected task that is ready for the engine."""
        with self._change:
            self._ready.append((time.monotonic(), task))
            self._announced_count -= 1
            self._change.notify_all()

    def drop(self) -> None:
        """Expect one task less: it will not come."""
        with self._change:
            self._announced_count -= 1
            self._change.notify_all()

    def hold(self, size: int) -> None:
        """Count `size` more bytes of pixels in memory."""
        with self._change:
            self._bytes += size

    def release(self, size: int) -> None:
        """Count `size` bytes of pixels less."""
        with self._change:
            self._bytes -= size
            self._change.notify_all()

    def wait_for_memory(self) -> None:
        """Return as soon as there is room for one more picture."""
        with self._change:
            if self._bytes < self._memory:
                return
            self._stuck += 1
            self._change.notify_all()
            self._change.wait_for(lambda: self._bytes < self._memory)
            self._stuck -= 1

    def take(
        self, *, draining: bool = False, timeout: float | None = None
    ) -> InferenceBatch | None:
        """The next batch, oldest first; None after `end`, when no task is left.

        timeout: seconds after which the answer is a batch without tasks
        `draining`: no new tasks will be announced, so a batch waits for those on their way, and
        the answer is None when there are none.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        with self._change:
            while True:
                if not self._ready and not self._announced_count and (draining or self._ended):
                    return None
                pause = math.inf
                if self._ready:
                    group = self._group()
                    closed, pause = self._why_now(len(group), draining or self._ended)
                    if closed:
                        return self._close(group, closed)
                left = deadline - time.monotonic()
                if left <= 0:
                    return InferenceBatch([], IDLE)
                pause = min(pause, left)
                self._change.wait(None if pause == math.inf else pause)

    def _why_now(self, size: int, draining: bool) -> tuple[str, float]:
        """Why a batch of that size is closed now, or "" and the seconds that it may wait."""
        if size >= self._largest:
            return FULL, 0.0
        if not self._announced_count and draining:
            return LAST, 0.0
        if self._stuck and self._bytes >= self._memory:
            return MEMORY, 0.0
        if draining:
            return "", math.inf
        if self._wait <= 0:
            return FREE, 0.0
        left = self._ready[0][0] + self._wait - time.monotonic()
        return ("", left) if left > 0 else (WAITED, 0.0)

    def _group(self) -> list[Task]:
        """The oldest task and those that can be run with it."""
        model = self._ready[0][1].model
        return [task for _, task in self._ready if task.model == model][: self._largest]

    def _close(self, group: list[Task], why: str) -> InferenceBatch:
        # A multiple of what the engine runs side by side: the rest would leave a part of the engine
        # idle, and gets its results just as soon at the start of the next batch.
        abreast = group[0].abreast
        odd = len(group) % abreast if len(group) > abreast else 0
        group = group[: len(group) - odd]
        members = {id(task) for task in group}
        self._ready = [entry for entry in self._ready if id(entry[1]) not in members]
        self.sizes[len(group)] += 1
        self.closed[why] += 1
        return InferenceBatch(group, why)

    def end(self) -> None:
        """Let `take` return None once everything that was announced is through."""
        with self._change:
            self._ended = True
            self._change.notify_all()
