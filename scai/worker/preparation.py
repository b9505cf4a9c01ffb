"""From a claimed job to the input of its model: look, count the attempt, decode, resize.

    own threads    what a look proves harmless
    lanes          what helpers decode: everything else; what is slow gives way to others
    lane of suspects: a helper of its own decodes each, beside all others; see `InferenceQueue`

A helper that dies costs its job an attempt, and makes it a suspect at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from scai.errors import OutOfResources, WorkerDied
from scai.pictures.header import Limits
from scai.pictures.pixels import Picture
from scai.recognition.loaded_models import ModelCache
from scai.storage.open_plain import open_plain
from scai.storage.session import attempts
from scai.worker.batching import HELPERS, OWN, InferenceQueue
from scai.worker.decoders.helper import HelperDied, Interrupted
from scai.worker.decoders.lanes import Crowded, Lanes
from scai.worker.decoders.pool import NoHelper
from scai.worker.decoding import Decoder, Look
from scai.worker.outcomes import Again, Failed, Later, Outcome, Slowly
from scai.worker.task import DECODING, WAITING, Task
from scai.worker.verdicts import failure

log = logging.getLogger(__name__)

# Seconds before a job is run again for which memory was lacking, or a helper.
_MEMORY_PAUSE = 1.0
_HELPER_PAUSE = 1.0


@dataclass(frozen=True)
class _Way:
    """How a task is decoded: `line` says where, `give_up` is called when it takes long there.

    `alone`: it is a suspect, whose attempt is counted already. `slow`: it is known to be slow, and
    its attempt is counted, too. `fresh`: in a new helper.
    """

    line: str = OWN
    give_up: Callable[[], None] = lambda: None
    alone: bool = False
    slow: bool = False
    fresh: bool = False


_HERE = _Way()


class Preparation:
    """Prepares tasks, and puts them into `ready` or ends them.

    start: counts the attempt of a task, or says why it must not run; finish: ends a task;
    guard: calls what it is given, and stops the worker if that fails;
    pause: waits so many seconds; is_stopping: whether the worker is to stop; threads: of its own;
    clock: of the time that jobs work
    """

    def __init__(
        self,
        decoder: Decoder,
        limits: Limits,
        lanes: Lanes,
        models: ModelCache,
        ready: InferenceQueue,
        *,
        threads: int,
        max_attempts: int,
        start: Callable[[Task], Outcome | None],
        finish: Callable[[Task, Outcome], None],
        guard: Callable[..., object],
        pause: Callable[[float], object],
        is_stopping: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._decoder = decoder
        self._limits = limits
        self._lanes = lanes
        self._models = models
        self._ready = ready
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._max_attempts = max_attempts
        self._start, self._finish, self._guard = start, finish, guard
        self._pause, self._is_stopping = pause, is_stopping
        self._clock = clock

    def begin(self, task: Task) -> None:
        """Prepare a task in other threads."""
        self._ready.announce()
        if task.suspect:
            self._lanes.submit_alone(self._guard, self._alone, task)
        else:
            self.submit(self._here_or_there, task)

    def submit(self, act: Callable[..., object], *arguments: object) -> None:
        """Call `act` in one of the decoding threads."""
        self._threads.submit(self._guard, act, *arguments)

    def decode(self, data: bytes, least: tuple[int, int] | None) -> Picture:
        """Decode an input of our own, in the calling thread; `least` as in `read_picture`."""
        return self._decoder.decode(data, self._limits, least)

    def close(self) -> None:
        """End the threads, which must have nothing in hand, and the helpers."""
        self._threads.shutdown()
        self._lanes.close()

    def abandon(self) -> None:
        """End the helpers and wait for no thread: the process ends soon."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._lanes.abandon()

    def _here_or_there(self, task: Task) -> None:
        """Prepare a harmless task in this thread, and pass any other on to a helper.

        The look comes before the attempt is counted: it reads no more than the portal did.
        """
        try:
            data, look = self._read(task)
        except Exception as error:
            self._pass_on(task, failure(task, error, "reading"))
            return
        if self._lanes.has_helpers and not look.is_harmless:
            self._lanes.submit(self._guard, self._in_helper, task)
            return
        self._pass_on(task, self._run(task, data, look, _HERE))

    def _in_helper(self, task: Task) -> None:
        """Let a helper decode, in a thread of its lane. The file was not kept: it may be large."""
        with self._lanes.slot() as give_up:
            try:
                data, look = self._read(task)
            except Exception as error:
                self._pass_on(task, failure(task, error, "reading"))
                return
            self._pass_on(task, self._run(task, data, look, _Way(HELPERS, give_up)))

    def _slowly(self, task: Task) -> None:
        """Let a helper decode what is known to be slow, in a thread of its lane, from the start."""
        with self._lanes.slow_slot():
            try:
                data, look = self._read(task)
            except Exception as error:
                self._pass_on(task, failure(task, error, "reading"))
                return
            self._pass_on(task, self._run(task, data, look, _Way(HELPERS, slow=True)))

    def _alone(self, task: Task, pause: float = 0.0) -> None:
        """Decode a suspect beside the others, and wait until it is through the engine alone."""
        self._pause(pause)
        outcome = self._run_suspect(task, fresh=pause > 0)
        self._pass_on(task, outcome)
        if outcome is None:
            self._ready.wait_until_left(task)

    def _run_suspect(self, task: Task, fresh: bool) -> Outcome | None:
        """As `_run`; `fresh`: in a new helper, because memory was lacking in the last one."""
        if self._is_stopping():
            return Later()
        try:
            with ExitStack() as held:
                held.callback(self._ready.leave, task)
                if (outcome := self._start(task)) is not None:
                    return outcome
                data, look = self._read(task)
                line = HELPERS if self._lanes.has_helpers else OWN
                outcome = self._run(task, data, look, _Way(line, alone=True, fresh=fresh))
                task.resources.enter_context(held.pop_all())
                return outcome
        except Exception as error:
            return self._ended(task, error)

    def _pass_on(self, task: Task, outcome: Outcome | None) -> None:
        """Hand a task to the engine, to the lane of suspects, or to its end."""
        if outcome is None:
            task.enter(WAITING, self._clock())
            self._ready.put(task)
        elif isinstance(outcome, Again):
            if task.started:
                task.enter(WAITING, self._clock())  # for the lane of suspects: that is no work
            self._lanes.submit_alone(self._guard, self._alone, task, outcome.pause)
        elif isinstance(outcome, Slowly):
            task.enter(WAITING, self._clock())
            self._lanes.submit_slow(self._guard, self._slowly, task)
        else:
            self._finish(task, outcome)
            self._ready.drop()

    def _read(self, task: Task) -> tuple[bytes, Look]:
        """The session's file, and what a look at it says."""
        # A foreign client's file may be of any size: one byte more is enough to refuse it.
        with open_plain(task.session.input_of(task.record)) as file:
            data = file.read(self._limits.max_bytes + 1)
        return data, self._decoder.look(data, self._limits)

    def _run(self, task: Task, data: bytes, look: Look, way: _Way) -> Outcome | None:
        """Count the attempt, decode and resize; the outcome, if that was the end of the job."""
        if self._is_stopping():
            return Later()
        try:
            with ExitStack() as held:
                with self._waiting(task):
                    room = self._ready.reserve(len(data) + look.decode_bytes, way.line)
                held.callback(room.release)
                held.callback(self._ready.leave, task)
                start = time.perf_counter()
                task.times["waited_ms"] = max(0.0, time.time() - task.created) * 1000
                if not (way.alone or way.slow):
                    self._ready.enter(task)
                    if (outcome := self._start(task)) is not None:
                        return outcome
                elif way.alone and way.line == OWN:
                    with self._waiting(task):
                        self._ready.enter_alone(task)
                self._decode(task, data, look, way)
                room.resize(task.pixels.nbytes)
                self._resize(task)
                task.times["decode_ms"] = (time.perf_counter() - start) * 1000
                task.resources.enter_context(held.pop_all())
        except Exception as error:
            return self._ended(task, error)
        return None

    def _decode(self, task: Task, data: bytes, look: Look, way: _Way) -> None:
        """Decode here or in a helper."""
        recognizer = self._models.loaded(task.model)
        least = recognizer.needed_sides if recognizer else None
        if way.line == OWN:
            task.decoded = self.decode(data, least)
            return

        def on_slow() -> None:
            # Others neither wait for its slot nor, for a suspect's sake, for its end.
            way.give_up()
            self._ready.leave(task)

        task.decoded = self._lanes.decode(
            data,
            least,
            look.decode_bytes,
            fresh=way.fresh,
            on_slow=on_slow,
            is_stopping=self._is_stopping,
        )
        # A suspect goes on when no other task is counted, and a slow task is counted again.
        with self._waiting(task):
            (self._ready.enter_alone if way.alone else self._ready.enter)(task)

    @contextmanager
    def _waiting(self, task: Task) -> Iterator[None]:
        """Let the time in the block not count as work of the task."""
        if task.started:
            task.enter(WAITING, self._clock())
        yield
        if task.started:
            task.enter(DECODING, self._clock())

    def _resize(self, task: Task) -> None:
        """Make the input of the model, if that is loaded; only the engine's thread may load it."""
        recognizer = self._models.loaded(task.model)
        if recognizer:
            task.tensor = recognizer.prepare(task.pixels)
            task.abreast = max(1, recognizer.engine.plan.lanes)

    def _ended(self, task: Task, error: Exception) -> Outcome:
        """What becomes of a task whose decoding ended by `error`."""
        if isinstance(error, Crowded) and not self._is_stopping():
            return Slowly()
        if isinstance(error, Interrupted):
            return Later()
        if isinstance(error, NoHelper):
            # Nothing has been decoded; the start alone may take half a minute.
            task.forget_work()
            return Later(_HELPER_PAUSE)
        if not isinstance(error, (HelperDied, OutOfResources)):
            return failure(task, error, "decoding")
        if self._is_stopping():
            # Whatever ends the worker may have ended its helper.
            return Later()
        deaths = attempts(task.record)
        if deaths < self._max_attempts:
            log.warning("session %s runs again alone: %s", task.session.name, error)
            return Again(_MEMORY_PAUSE if isinstance(error, OutOfResources) else 0.0)
        if isinstance(error, OutOfResources):
            return Failed(error)
        reason = f"decoding it ended {deaths} processes, the last one: {error}"
        return Failed(WorkerDied(reason, attempts=deaths), hold=reason)
