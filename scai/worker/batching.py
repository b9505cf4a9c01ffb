"""Decoded jobs on their way to the engine, and how they form batches.

Batches form by themselves: while the engine works on one, the next gathers. With a longest wait
of zero a picture that finds the engine free never waits for company.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

from scai.worker.task import Task

# Why a batch was closed.
FULL = "full"  # the largest size is reached
FREE = "free"  # the engine was free, and nothing is ever waited for
WAITED = "waited"  # the longest wait was over
LAST = "last"  # nothing else was on its way
MEMORY = "memory"  # pictures that wait for memory could not join


@dataclass(frozen=True)
class Batch:
    """Tasks of one model that are run together, and why there are not more of them."""

    tasks: list[Task]
    closed: str


class Batches:
    """Between the decoding threads and the thread that runs the engine.

    largest: most pictures in a batch; wait: seconds a batch is kept open for more pictures;
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
        self._coming = 0
        self._held = 0
        self._stuck = 0
        self._ended = False

    def announce(self) -> None:
        """One more task is on its way; `put` or `drop` follows."""
        with self._change:
            self._coming += 1

    def put(self, task: Task) -> None:
        """The task has come, ready for the engine."""
        with self._change:
            self._ready.append((time.monotonic(), task))
            self._coming -= 1
            self._change.notify_all()

    def drop(self) -> None:
        """A task that was on its way will not come."""
        with self._change:
            self._coming -= 1
            self._change.notify_all()

    def hold(self, size: int) -> None:
        """`size` more bytes of pixels are in memory."""
        with self._change:
            self._held += size

    def release(self, size: int) -> None:
        """`size` bytes of pixels are gone."""
        with self._change:
            self._held -= size
            self._change.notify_all()

    def wait_for_memory(self) -> None:
        """Return when there is room for one more picture."""
        with self._change:
            if self._held < self._memory:
                return
            self._stuck += 1
            self._change.notify_all()
            self._change.wait_for(lambda: self._held < self._memory)
            self._stuck -= 1

    def take(self, *, draining: bool = False) -> Batch | None:
        """The next batch, oldest first; None after `end`, when nothing is left.

        `draining`: no new tasks will be announced, so a batch waits for those that are on their
        way; None when there are none.
        """
        with self._change:
            while True:
                if not self._ready and not self._coming and (draining or self._ended):
                    return None
                pause: float | None = None
                if self._ready:
                    group = self._group()
                    closed, pause = self._why_now(len(group), draining or self._ended)
                    if closed:
                        return self._close(group, closed)
                self._change.wait(pause)

    def _why_now(self, size: int, draining: bool) -> tuple[str, float | None]:
        """Why the batch of that size must not wait, or "" and how long it may."""
        if size >= self._largest:
            return FULL, None
        if not self._coming and draining:
            return LAST, None
        if self._stuck and self._held >= self._memory:
            return MEMORY, None
        if draining:
            return "", None
        if self._wait <= 0:
            return FREE, None
        left = self._ready[0][0] + self._wait - time.monotonic()
        return ("", left) if left > 0 else (WAITED, None)

    def _group(self) -> list[Task]:
        """The oldest task and those that can run with it."""
        model = self._ready[0][1].model
        return [task for _, task in self._ready if task.model == model][: self._largest]

    def _close(self, group: list[Task], why: str) -> Batch:
        # A multiple of what the engine runs side by side: the last ones of an odd batch would leave
        # a part of it idle, and are no later when they begin the next.
        abreast = group[0].abreast
        odd = len(group) % abreast if len(group) > abreast else 0
        group = group[: len(group) - odd]
        chosen = {id(task) for task in group}
        self._ready = [entry for entry in self._ready if id(entry[1]) not in chosen]
        self.sizes[len(group)] += 1
        self.closed[why] += 1
        return Batch(group, why)

    def end(self) -> None:
        """Let `take` return None once everything that was announced is through."""
        with self._change:
            self._ended = True
            self._change.notify_all()
