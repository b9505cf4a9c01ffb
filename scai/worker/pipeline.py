"""The worker: a pipeline that turns each claimed job into a verdict.

    claim -> decode, resize (threads) -> queue -> engine -> draw, write (threads)

While the engine runs one inference batch, the next pictures are decoded and the last verdicts are
written. Always true:

- A session is changed only under its lock, only when it has no verdict yet, and only by the worker
  whose claim runs it.
- The attempt is counted before the run. A job that was being run when a worker died is a
  suspect, and so is one whose decoding helper died: it is decoded beside the others and runs alone
  in the engine, and after `max_attempts` deaths it is given up and put on hold. What is
  begun when the worker is told to stop is no death of its job, however the worker ends.
- A job that works or waits longer than its deadline fails, whatever its thread does.
- The ticket goes only after the verdict is on the disk.
- A job ends in one place, `Verdicts.finish`, with one `Outcome`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scai.monitoring.journal import Journal
from scai.pictures.header import Limits
from scai.queues.base import Claim, JobQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.disk import Disk
from scai.storage.session import Session
from scai.worker.admission import Admission
from scai.worker.batching import InferenceQueue
from scai.worker.canary import Canary
from scai.worker.contention import Contention
from scai.worker.decoders.lanes import Lanes
from scai.worker.decoders.pool import HelperPool
from scai.worker.decoding import PICTURES, Decoder
from scai.worker.heartbeat import Heartbeat
from scai.worker.inference import infer
from scai.worker.outcomes import Complete, Later, Outcome
from scai.worker.overdue import Overdue
from scai.worker.preparation import Preparation
from scai.worker.refusals import Refusals, works
from scai.worker.task import INFERENCE, WRITING, Task, without_ticket
from scai.worker.verdicts import DISK_PAUSE, Verdicts
from scai.worker.watchdog import DEFAULT_LIMITS, TimeLimits, Watchdog, running

log = logging.getLogger(__name__)

# Longest sleep of a pause, which looks in between whether to stop, in seconds.
_NAP = 0.1
# Inference batches in hand at once: one in the engine, one gathering, one being written.
_BATCHES_IN_HAND = 3
# Jobs that may wait for a helper without counting as in hand, so that others are claimed past them.
_MOST_PARKED = 256
# How often the jobs in hand are looked after, in seconds.
_WATCH_PERIOD = 0.25


class WorkerBroken(Exception):
    """A part of a worker has failed, so that it cannot go on; the log says why."""


class Worker:
    """Turns jobs of one queue into verdicts.

    batch: most pictures in one inference; batch_wait: seconds that a batch may wait for more;
    max_attempts: deaths of a worker before a job is given up; limits: of an input; decoder: turns
    its bytes into pixels; helpers: processes that decode what is not harmless, closed at the end;
    None: everything is decoded here; draws: whether results are drawn on pictures;
    memory: bytes of pictures beyond which decoding waits, here and in helpers each;
    threads: for decoding, and twice as many for writing;
    tell: gets facts for people every report_period seconds;
    heartbeat: called by the engine's loop, at least every second while it is idle, in place of
    one that beats in `queue` and publishes by `tell`;
    canary_period: seconds without a recognised photo after which a canary is sent; 0: never;
    times: deadlines; when_expired: called when a job in hand was past its deadline;
    watch_period: seconds between two looks after the jobs in hand;
    journal: gets an entry of each verdict, and is closed at the end;
    sleep, clock: of pauses, and of the time that jobs work
    """

    def __init__(
        self,
        queue: JobQueue,
        models: ModelCache,
        sessions: Path,
        *,
        batch: int = 8,
        batch_wait: float = 0.0,
        max_attempts: int = 3,
        limits: Limits | None = None,
        decoder: Decoder = PICTURES,
        helpers: HelperPool | None = None,
        draws: bool = True,
        memory: int = 256_000_000,
        disk: Disk | None = None,
        threads: int = 2,
        tell: Callable[..., None] = lambda **facts: None,
        report_period: float = 5.0,
        heartbeat: Heartbeat | None = None,
        canary_period: float = 0.0,
        times: TimeLimits = DEFAULT_LIMITS,
        when_expired: Callable[[], None] = lambda: None,
        watch_period: float = _WATCH_PERIOD,
        journal: Journal | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._models = models
        self._sessions = sessions
        self._batch = batch
        # These wait for the disk most of the time.
        self._writers = ThreadPoolExecutor(2 * threads, thread_name_prefix="write")
        self._ready = InferenceQueue(batch, batch_wait, memory)
        self._journal = journal
        self._sleep, self._clock = sleep, clock
        note = journal.note if journal is not None else lambda entry: None
        self._disk = disk or Disk()
        contention = Contention(self._disk, times.lock, clock=clock)
        self._refusals = Refusals(lambda: works(sessions), clock=clock)
        self._verdicts = Verdicts(
            self._pause,
            note,
            draws=draws,
            clock=clock,
            flush=self._disk.sync_directory,
            contention=contention,
            refusals=self._refusals,
            leave=self._ready.leave,
        )
        self._admission = Admission(
            sessions,
            self._disk,
            max_attempts,
            self._verdicts,
            times.queue,
            contention=contention,
            clock=clock,
        )
        self._overdue = Overdue(queue, self._admission, self._verdicts, clock)
        self._tasks: dict[int, Task] = {}
        self._watchdog = Watchdog(
            lambda: list(self._tasks.values()),
            self._verdicts,
            times,
            # A part that broke may have done so because of a job in hand: that is a death.
            is_stopping=lambda: self._stopping and self._broken is None,
            when_expired=when_expired,
            clock=clock,
        )
        self._watch_period = watch_period
        self._lanes = Lanes(helpers, threads)
        self._preparation = Preparation(
            decoder,
            limits or Limits(),
            self._lanes,
            models,
            self._ready,
            threads=threads,
            max_attempts=max_attempts,
            start=self._admission.start,
            finish=self._finish,
            guard=self._essential,
            pause=self._pause,
            is_stopping=lambda: self._stopping,
            clock=clock,
        )
        self._report_period = report_period
        self._heartbeat = heartbeat or Heartbeat(queue.beat, tell=tell)
        self._canary = self._make_canary(canary_period) if canary_period else None
        self._reported = 0
        self._reported_at = 0.0
        self._done = 0
        self._fewer = threading.Condition()
        self._stopping = False
        self._broken: BaseException | None = None

    def _make_canary(self, period: float) -> Canary:
        return Canary(
            self._models,
            self._preparation.decode,
            self._preparation.submit,
            self._heartbeat.tell,
            period,
        )

    def recognise_canary(self) -> None:
        """Recognise a first canary, before `run`, so that the worker is known to be ready."""
        if self._canary is not None:
            self._canary.recognise_now()

    def run(self, period: float = 2.0) -> None:
        """Work until `stop`; `period` is the longest wait for a job in seconds.

        Raises WorkerBroken when a part of the pipeline has failed; then only the end of the process
        helps, and gives the jobs in hand back.
        """
        engine = threading.Thread(
            target=self._essential, args=(self._infer_all,), name="engine", daemon=True
        )
        with running(self.watch, self._watch_period):
            engine.start()
            self._essential(self._feed_all, period)
            self._heartbeat.tell(phase="stopping")
            self._ready.end()
            engine.join()
            self._wait_until_idle()
        self._check()

    def watch(self) -> None:
        """Look once after the jobs in hand and those that wait: deadlines, and a stop."""
        self._watchdog.step()
        if not self._stopping:
            self._overdue.step()

    def _check(self) -> None:
        if self._broken is not None:
            raise WorkerBroken from self._broken

    def _essential(self, act: Callable[..., object], *arguments: object) -> None:
        """Run a part of the pipeline; an exception in it stops the worker.

        Without that, the others would go on for ever, and the jobs in hand would wait as long.
        """
        try:
            act(*arguments)
        except BaseException as error:
            name = threading.current_thread().name
            log.critical("thread %s ended by %r; this worker ends", name, error, exc_info=error)
            with self._fewer:
                self._broken = self._broken or error
                self._fewer.notify_all()
            self.stop()

    def _feed_all(self, period: float) -> None:
        while not self._stopping:
            try:
                self._feed(period)
            except OSError as error:
                # A folder or the disk is out of order; somebody may repair it while we wait.
                log.error("the queue cannot be used now: %s", error)
                self._pause(DISK_PAUSE)
            self._report()

    def announce(self, **facts: Any) -> None:
        """Publish facts of a worker that others wait for, however long the disk is full."""
        self._heartbeat.wait_to_tell(lambda: self._queue.announce(**facts), self._pause)

    def stop(self) -> None:
        """Let `run` end when the jobs in hand are done. For signal handlers: it only sets flags."""
        self._stopping = True
        self._queue.wake()

    def close(self) -> None:
        """End the helper threads and give claimed jobs back to the queue.

        Nothing is waited for in a broken worker, whose jobs return when the process ends.
        """
        if self._broken is not None:
            self._preparation.abandon()
            self._writers.shutdown(wait=False, cancel_futures=True)
            return
        self._preparation.close()
        self._writers.shutdown()
        self._queue.close()
        if self._journal is not None:
            self._journal.close()

    def step(self, timeout: float = 0.0) -> int:
        """Finish at most `batch` jobs before returning; return their number."""
        claims = self._queue.claim(self._batch, timeout)
        self._work(claims)
        return len(claims)

    def run_session(self, name: str) -> None:
        """Run this one session (job mode), with or without a ticket, if it may run."""
        session = Session(self._sessions, name)
        claim = self._queue.claim_one(name) or without_ticket(self._queue, session)
        if claim is not None:
            with running(self._watchdog.step, self._watch_period):
                self._work([claim])

    def _work(self, claims: list[Claim]) -> None:
        """Run these claims to their ends; nothing is left in hand on return."""
        self._start(claims)
        self._infer_all(draining=True)
        while not self._wait_until_idle(self._heartbeat.period):
            self._heartbeat()  # the disk may be full for longer than a lease
        self._refusals.give_back()
        self._check()

    def _feed(self, period: float) -> None:
        """Claim as many jobs as there is room for, and start them."""
        if self._refusals.known:
            self._start(self._refusals.take_due())
        with self._fewer:
            parked = min(_MOST_PARKED, self._lanes.parked)
            room = _BATCHES_IN_HAND * self._batch + parked - len(self._tasks)
            if room <= 0:
                self._fewer.wait(_NAP)
                return
        self._start(self._queue.claim(min(room, self._batch), period))

    def _start(self, claims: list[Claim]) -> None:
        """Admit the claims, and prepare what may run."""
        for claim in claims:
            task = self._admission.admit(claim)
            if task is not None:
                self._go(task)

    def _go(self, task: Task) -> None:
        with self._fewer:
            self._tasks[id(task)] = task
        self._preparation.begin(task)

    def _wait_until_idle(self, timeout: float | None = None) -> bool:
        """Return when nothing is in hand, or after `timeout` seconds; whether nothing is."""
        with self._fewer:
            return self._fewer.wait_for(
                lambda: not self._tasks or self._broken is not None, timeout
            )

    def _report(self) -> None:
        """Report the figures of this worker once a report period, if a job has ended since."""
        now = time.monotonic()
        if self._reported == self._done or now - self._reported_at < self._report_period:
            return
        self._reported, self._reported_at = self._done, now
        self._heartbeat.tell(
            done=self._done,
            batch_sizes={str(size): n for size, n in sorted(self._ready.sizes.items())},
            batches_closed=dict(self._ready.closed),
            loaded=self._models.engines(),
            unrecorded=self._journal.losses if self._journal is not None else 0,
            disk_errors=self._disk.failures,
            helpers_died=self._lanes.died,
            most_reserved=dict(self._ready.peaks),
        )

    def _pause(self, seconds: float) -> bool:
        """Sleep, but no longer than until the worker must stop; return whether it must."""
        deadline = self._clock() + seconds
        while not self._stopping and self._clock() < deadline:
            self._sleep(min(_NAP, seconds))
        return self._stopping

    def _infer_all(self, draining: bool = False) -> None:
        """Run one inference batch after the other, in the engine's thread.

        This loop alone sends heartbeats: they show that it runs, whatever other threads do.
        """
        beat = self._heartbeat
        beat()
        while self._broken is None:
            batch = self._ready.take(draining=draining, timeout=beat.period)
            if batch is None:
                return
            beat()
            if self._stopping and not draining:
                # Only the batch that runs already is waited for: three might take too long.
                for task in batch.tasks:
                    self._writers.submit(self._essential, self._finish, task, Later())
            elif batch.tasks:
                now = self._clock()
                for task in batch.tasks:
                    task.enter(INFERENCE, now)
                for task, outcome in infer(self._models, batch.tasks):
                    if self._canary and isinstance(outcome, Complete):
                        self._canary.note()
                    self._writers.submit(self._essential, self._finish, task, outcome)
                beat()
            elif self._canary and not draining:
                self._canary.turn()

    def _finish(self, task: Task, outcome: Outcome) -> None:
        """End a task in hand, from any thread: the only way out of the pipeline."""
        if task.started:
            task.enter(WRITING, self._clock())
        try:
            self._verdicts.finish(task, outcome)
        finally:
            with self._fewer:
                del self._tasks[id(task)]
                self._done += 1
                self._fewer.notify_all()
