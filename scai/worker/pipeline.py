"""The worker: jobs go through it as through a pipeline, and each comes out with a verdict.

    claim, lock -> decode, resize (threads) -> batches -> engine -> draw, write (threads)

While the engine works on one batch, the next pictures are decoded and the last verdicts written.
What holds in every line below:

- A session is run only under its lock, and only when it has no verdict yet.
- The attempt is counted before the run. A job that was being run when a worker died is a
  suspect: it runs alone, and after `max_attempts` deaths it is given up and put on hold.
- The ticket goes only after the verdict is on the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scai.errors import MISTAKE, ScaiError
from scai.monitoring.journal import Journal
from scai.pictures.header import Limits
from scai.pictures.pixels import read_picture
from scai.queues.base import Claim, JobQueue
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.recognition.results import Result
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session
from scai.worker.admission import Admission
from scai.worker.batching import Batches
from scai.worker.inference import infer
from scai.worker.task import NoTicket, Task
from scai.worker.verdicts import DISK_PAUSE, Verdicts

log = logging.getLogger(__name__)

# The parts that a wait is taken in, and the time between two reports of how it goes, in seconds.
_NAP = 0.1
_REPORT_PERIOD = 5.0
# Batches in hand at once: one in the engine, one gathering, one being written.
_BATCHES_IN_HAND = 3


class Worker:
    """Turns jobs of one queue into verdicts.

    batch: most pictures in one inference; batch_wait: seconds a batch may wait for more;
    threads: for decoding, and as many again for writing; tell: is given facts for people;
    journal: is told of each verdict, and closed at the end
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
        disk: Disk | None = None,
        threads: int = 2,
        tell: Callable[..., None] = lambda **facts: None,
        journal: Journal | None = None,
    ) -> None:
        self._queue = queue
        self._models = models
        self._sessions = sessions
        self._batch = batch
        self._limits = limits or Limits()
        self._decoders = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        # Most of their time these wait for the disk.
        self._writers = ThreadPoolExecutor(2 * threads, thread_name_prefix="write")
        self._batches = Batches(batch, batch_wait)
        self._journal = journal
        note = journal.note if journal is not None else lambda entry: None
        self._verdicts = Verdicts(self._pause, note)
        self._admission = Admission(
            sessions, disk or Disk(), max_attempts, self._verdicts, self._pause
        )
        self._tell = tell
        self._told = 0
        self._told_at = 0.0
        self._done = 0
        self._in_hand = 0
        self._fewer = threading.Condition()
        self._stopping = False

    def run(self, period: float = 2.0) -> None:
        """Work until `stop`; `period` is the longest wait for a job in seconds."""
        engine = threading.Thread(target=self._infer_all, name="engine")
        engine.start()
        try:
            while not self._stopping:
                try:
                    self._feed(period)
                except OSError as error:
                    # A folder or the disk is out of order; it may be mended while we wait.
                    log.error("the queue cannot be used now: %s", error)
                    self._pause(DISK_PAUSE)
                self._report()
        finally:
            self._batches.end()
            engine.join()
            self._wait_until_idle()

    def stop(self) -> None:
        """Let `run` end after what is in hand. Sets flags only, for signal handlers call it."""
        self._stopping = True
        self._queue.wake()

    def close(self) -> None:
        """End the helper threads and give the queue back what is still claimed."""
        self._decoders.shutdown()
        self._writers.shutdown()
        self._queue.close()
        if self._journal is not None:
            self._journal.close()

    def step(self, timeout: float = 0.0) -> int:
        """Take at most one batch and leave each of its jobs with a verdict; how many there were."""
        claims = self._queue.claim(self._batch, timeout)
        self._work(claims)
        return len(claims)

    def run_session(self, name: str) -> None:
        """Job mode: run this one session, with or without a ticket, if it has no verdict yet."""
        claim = self._queue.claim_one(name)
        if claim is None and Session(self._sessions, name).state not in FINAL:
            claim = NoTicket(self._queue, name)
        if claim is not None:
            self._work([claim])

    def _work(self, claims: list[Claim]) -> None:
        """Everything in the calling thread's time: nothing is left in hand at the end."""

        def finish() -> None:
            self._infer_all(draining=True)
            self._wait_until_idle()

        self._start(claims, finish)
        finish()

    def _feed(self, period: float) -> None:
        """Claim as many jobs as there is room for, and set them going."""
        with self._fewer:
            room = _BATCHES_IN_HAND * self._batch - self._in_hand
            if room <= 0:
                self._fewer.wait(_NAP)
                return
        self._start(self._queue.claim(min(room, self._batch), period), self._wait_until_idle)

    def _start(self, claims: list[Claim], finish: Callable[[], None]) -> None:
        """Admit the claims and set them going; suspects alone, with nothing else in hand."""
        tasks = [task for claim in claims if (task := self._admission.admit(claim)) is not None]
        # Told apart before any is begun, for that counts an attempt.
        suspects = [task for task in tasks if task.suspect]
        for task in [task for task in tasks if not task.suspect]:
            self._go(task)
        for task in suspects:
            finish()
            self._go(task)
            finish()

    def _go(self, task: Task) -> None:
        with self._fewer:
            self._in_hand += 1
        self._batches.announce()
        self._decoders.submit(self._prepare, task)

    def _end(self, task: Task) -> None:
        """The task is through: it has its verdict, or its job waits again."""
        if task.picture is not None:
            self._batches.release(task.shown.nbytes)
        task.lock.close()
        with self._fewer:
            self._in_hand -= 1
            self._done += 1
            self._fewer.notify_all()

    def _wait_until_idle(self) -> None:
        with self._fewer:
            self._fewer.wait_for(lambda: self._in_hand == 0)

    def _report(self) -> None:
        """Tell how it goes, now and then, if anything was done."""
        now = time.monotonic()
        if self._told == self._done or now - self._told_at < _REPORT_PERIOD:
            return
        self._told, self._told_at = self._done, now
        self._tell(
            done=self._done,
            batch_sizes={str(size): n for size, n in sorted(self._batches.sizes.items())},
            batches_closed=dict(self._batches.closed),
            loaded=self._models.engines(),
            unrecorded=self._journal.lost if self._journal is not None else 0,
        )

    def _pause(self, seconds: float) -> bool:
        """Sleep, unless we are to stop; whether we are."""
        deadline = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < deadline:
            time.sleep(min(_NAP, seconds))
        return self._stopping

    def _prepare(self, task: Task) -> None:
        """In a decoding thread: from the session's file to what the engine wants."""
        ready = False
        try:
            if self._stopping:
                task.claim.give_back()
            else:
                self._batches.wait_for_memory()
                ready = self._begin(task)
        except Exception:
            log.exception("session %s: trying again", task.session.name)
            self._admission.later(task.claim, DISK_PAUSE)
        if ready:
            self._batches.put(task)
        else:
            self._end(task)
            self._batches.drop()

    def _begin(self, task: Task) -> bool:
        """Count the attempt, decode and resize; False when that was the end of it."""
        started = time.perf_counter()
        task.times["waited_ms"] = max(0.0, time.time() - task.created) * 1000
        try:
            task.record = task.session.start(task.record)
            # A foreign client's file may be of any size: one byte more is enough to refuse it.
            with task.session.input_of(task.record).open("rb") as file:
                data = file.read(self._limits.max_bytes + 1)
            self._decode(task, data)
        except ScaiError as error:
            self._verdicts.fail(task, error)
            return False
        except OSError as error:
            log.error("session %s: %s; trying again", task.session.name, error)
            self._admission.later(task.claim, DISK_PAUSE)
            return False
        except Exception:
            log.exception("session %s: decoding failed", task.session.name)
            self._verdicts.fail(task, ScaiError(MISTAKE))
            return False
        task.times["decode_ms"] = (time.perf_counter() - started) * 1000
        return True

    def _decode(self, task: Task, data: bytes) -> None:
        # A model that is not loaded yet is loaded by the engine's thread, which alone may.
        recognizer = self._models.loaded(task.model)
        least = recognizer.needed_sides if recognizer else None
        task.picture = read_picture(data, self._limits, least=least)
        self._batches.hold(task.shown.nbytes)
        if recognizer:
            task.tensor = recognizer.prepare(task.shown)
            task.abreast = max(1, recognizer.engine.plan.lanes)

    def _infer_all(self, draining: bool = False) -> None:
        """In the engine's thread: one batch after the other."""
        while (batch := self._batches.take(draining=draining)) is not None:
            for task, result, recognizer in infer(self._models, batch.tasks):
                self._writers.submit(self._finish, task, result, recognizer)

    def _finish(
        self, task: Task, result: Result | ScaiError, recognizer: Recognizer | None = None
    ) -> None:
        """In a writing thread: leave the verdict."""
        try:
            if isinstance(result, ScaiError):
                self._verdicts.fail(task, result)
            elif recognizer is not None:
                self._verdicts.complete(task, result, recognizer)
        except Exception:
            log.exception("session %s: no verdict written", task.session.name)
            self._admission.later(task.claim, DISK_PAUSE)
        finally:
            self._end(task)
