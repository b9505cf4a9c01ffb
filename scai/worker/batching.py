"""Jobs on their way to the engine: the memory they take, and how they form inference batches.

While the engine runs one batch, the next one gathers. With a longest wait of zero, a picture that
finds the engine free never waits for others. A suspect is a batch of its own, and while it is run,
no other job is where the death of the worker would count as an attempt of it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scai.worker.task import Task

# Why a batch was closed.
FULL = "full"  # it had the largest size
FREE = "free"  # the engine was free, and the longest wait is zero
WAITED = "waited"  # the longest wait was over
LAST = "last"  # no other task was on its way
MEMORY = "memory"  # the other pictures wait for memory
ALONE = "alone"  # a suspect, or a suspect waits until the others are through
IDLE = "idle"  # nothing came in time: a batch without tasks


@dataclass(frozen=True)
class InferenceBatch:
    """Tasks of one model that are run together, and why the batch was closed."""

    tasks: list[Task]
    closed: str


# Lines for memory: of what is decoded in the worker itself, and of what helpers decode.
OWN, HELPERS = "own", "helpers"


@dataclass
class _Line:
    """Bytes that are reserved in one line, and who waits for more, in order."""

    reserved: int = 0
    waiting: deque[object] = field(default_factory=deque)


class InferenceQueue:
    """Tasks between the decoding threads and the thread that runs the engine.

    largest: most pictures in a batch; wait: seconds that a batch is kept open for more pictures;
    memory: bytes of pictures in each of the two lines beyond which decoding waits for the engine
    """

    def __init__(self, largest: int, wait: float = 0.0, memory: int = 256_000_000) -> None:
        self.sizes: Counter[int] = Counter()
        self.closed: Counter[str] = Counter()
        # The most bytes that were reserved in each line.
        self.peaks: Counter[str] = Counter()
        self._largest = largest
        self._wait = wait
        self._memory = memory
        self._change = threading.Condition()
        self._ready: list[tuple[float, Task]] = []
        self._announced_count = 0
        self._lines = {OWN: _Line(), HELPERS: _Line()}
        # Why batches close at once: somebody waits until those that are ready are through.
        self._hurry: list[str] = []
        # Tasks whose attempt is counted, by `id`; the one that is run alone.
        self._counted: set[int] = set()
        self._alone = 0
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

    @contextmanager
    def _hurried(self, why: str) -> Iterator[None]:
        """Let batches close at once meanwhile; the caller holds the lock."""
        self._hurry.append(why)
        self._change.notify_all()
        try:
            yield
        finally:
            self._hurry.remove(why)
            self._change.notify_all()

    def reserve(self, size: int, line: str = OWN) -> Reservation:
        """Reserve `size` bytes for a picture before it is decoded, first come, first served.

        One that is larger than all the memory waits until it is the only one.
        """
        own, place = self._lines[line], object()

        def has_room() -> bool:
            first = own.waiting[0] is place
            return first and (not own.reserved or own.reserved + size <= self._memory)

        with self._change:
            own.waiting.append(place)
            if not has_room():
                with self._hurried(MEMORY):
                    self._change.wait_for(has_room)
            own.waiting.remove(place)
            own.reserved += size
            self.peaks[line] = max(self.peaks[line], own.reserved)
            self._change.notify_all()
        return Reservation(self, size, line)

    def release(self, size: int, line: str = OWN) -> None:
        """Count `size` bytes less; see `Reservation`."""
        with self._change:
            self._lines[line].reserved -= size
            self._change.notify_all()

    def enter(self, task: Task) -> None:
        """Wait while a suspect is run; from then on, a death of the worker may be this task's.

        One that is counted already waits for nobody.
        """

        def may_enter() -> bool:
            return id(task) in self._counted or not (self._alone or ALONE in self._hurry)

        with self._change:
            self._change.wait_for(may_enter)
            self._counted.add(id(task))

    def enter_alone(self, task: Task) -> None:
        """Wait until no other task is counted; none will be, until this one leaves."""
        with self._change:
            self._counted.discard(id(task))
            with self._hurried(ALONE):
                self._change.wait_for(lambda: not self._counted and not self._alone)
                self._alone = id(task)

    def leave(self, task: Task) -> None:
        """Count the task no more: it has its verdict, or nobody knows how long it takes."""
        with self._change:
            self._counted.discard(id(task))
            if self._alone == id(task):
                self._alone = 0
            self._change.notify_all()

    def wait_until_left(self, task: Task) -> None:
        """Return when a task that was entered alone has left."""
        with self._change:
            self._change.wait_for(lambda: self._alone != id(task))

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
                    closed, pause = self._why_now(group, draining or self._ended)
                    if closed:
                        return self._close(group, closed)
                left = deadline - time.monotonic()
                if left <= 0:
                    return InferenceBatch([], IDLE)
                pause = min(pause, left)
                self._change.wait(None if pause == math.inf else pause)

    def _why_now(self, group: list[Task], draining: bool) -> tuple[str, float]:
        """Why a batch of that group is closed now, or "" and the seconds that it may wait."""
        if self._alone == id(group[0]):
            return ALONE, 0.0
        if len(group) >= self._largest:
            return FULL, 0.0
        if not self._announced_count and draining:
            return LAST, 0.0
        if self._hurry:
            return self._hurry[-1], 0.0
        if draining:
            return "", math.inf
        if self._wait <= 0:
            return FREE, 0.0
        left = self._ready[0][0] + self._wait - time.monotonic()
        return ("", left) if left > 0 else (WAITED, 0.0)

    def _group(self) -> list[Task]:
        """The oldest task and those that can be run with it."""
        first = self._ready[0][1]
        if self._alone == id(first):
            return [first]
        return [task for _, task in self._ready if task.model == first.model][: self._largest]

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


class Reservation:
    """Memory that is reserved for one picture until `release`, which may be called again."""

    def __init__(self, queue: InferenceQueue, size: int, line: str) -> None:
        self._queue = queue
        self._size = size
        self._line = line

    def resize(self, size: int) -> None:
        """Reserve `size` bytes in place of the estimate, now that the picture is decoded."""
        self._queue.release(self._size - size, self._line)
        self._size = size

    def release(self) -> None:
        """Let go of the memory."""
        self.resize(0)
