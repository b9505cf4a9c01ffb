"""Look after the jobs in hand while other threads work on them, whatever those threads do.

A job past its deadline gets its failure, also while the engine's thread hangs in it. The time that
a long job works is noted in its record, so that it counts after a restart. And a worker that is
told to stop takes back the attempts of what it has begun at once: however it ends then, that is no
death of its jobs. Only what hangs by then keeps its attempt, for a worker that hangs is told to
stop, too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scai.errors import Deadline, NotFound, ScaiError
from scai.worker.task import Task
from scai.worker.verdicts import Verdicts

log = logging.getLogger(__name__)

# How often the work of a job is noted, in seconds: most jobs are done long before.
_NOTE_PERIOD = 10.0


@dataclass(frozen=True)
class TimeLimits:
    """How long a job may take, in seconds.

    job: it may work, in all its runs; 0 for ever
    queue: it may wait for its first run; 0 for ever
    hang: in one stage, after which it hangs
    lock: others may hold a session's lock before they count as stopped
    """

    job: float = 120.0
    queue: float = 0.0
    hang: float = 30.0
    lock: float = 30.0


DEFAULT_LIMITS = TimeLimits()


class Watchdog:
    """Looks after `tasks()`, the jobs in hand; each `step` is one look at all of them.

    is_stopping: whether the worker was told to stop
    when_expired: called after a job in hand got its failure
    note_period: seconds between two notes of a job's work
    clock: the one by which tasks enter their stages
    """

    def __init__(
        self,
        tasks: Callable[[], Iterable[Task]],
        verdicts: Verdicts,
        times: TimeLimits,
        *,
        is_stopping: Callable[[], bool],
        when_expired: Callable[[], None] = lambda: None,
        note_period: float = _NOTE_PERIOD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = tasks
        self._verdicts = verdicts
        self._times = times
        self._is_stopping = is_stopping
        self._when_expired = when_expired
        self._note_period = note_period
        self._clock = clock

    def step(self) -> None:
        """Look at every job in hand once."""
        for task in self._tasks():
            if not task.started or task.is_published or task.is_lost:
                continue
            try:
                self._look_after(task)
            except NotFound:
                pass  # removed; whoever has it in hand will see
            except (OSError, ScaiError) as error:
                log.error("session %s: %s", task.session.name, error)

    def _look_after(self, task: Task) -> None:
        now = self._clock()
        limit = self._times.job
        if 0 < limit <= task.worked(now):
            reason = f"the job worked for more than {limit:g} s; it was stopped at: {task.stage}"
            error = Deadline(reason, stage=task.stage, limit=limit, setting="job_deadline")
            if self._verdicts.expire(task, error):
                self._when_expired()
        elif self._is_stopping():
            if task.in_stage(now) < self._times.hang:
                self._verdicts.take_back(task)
        elif now - task.noted_at >= self._note_period:
            self._verdicts.note_work(task)


@contextmanager
def running(step: Callable[[], None], period: float) -> Iterator[None]:
    """Call `step` every `period` seconds during the block, in a thread of its own."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(period):
            try:
                step()
            except Exception:
                # Nobody else looks after the jobs in hand: this thread must go on.
                log.exception("the jobs in hand cannot be looked after now")

    thread = threading.Thread(target=run, name="watchdog")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
