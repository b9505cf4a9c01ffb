"""The worker: claim a batch of jobs, recognise their pictures, leave each with a verdict.

What holds in every line below:

- A session is run only under its lock, and only when it has no verdict yet.
- The attempt is counted before the run. A job that was being run when a worker died is a
  suspect: it runs alone, and after `max_attempts` deaths it is given up and put on hold.
- The ticket goes only after the verdict is on the disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from scai.annotate import annotate
from scai.durable import Disk
from scai.errors import MISTAKE, NotFound, ScaiError, WorkerDied
from scai.images import Limits
from scai.model_cache import ModelCache
from scai.pixels import decode_oriented
from scai.queues.base import Claim, JobQueue
from scai.recognizer import Recognizer
from scai.results import Classification, Result
from scai.session import FINAL, Session, attempts
from scai.task import NoTicket, Task

log = logging.getLogger(__name__)

# Seconds to wait before looking again at a session that somebody else holds, or at a disk that
# is full or out of order; and the parts that such a wait is taken in.
_CONTENDED_PAUSE = 0.1
_DISK_PAUSE = 1.0
_NAP = 0.1


class Worker:
    """Turns jobs of one queue into verdicts, one batch a step."""

    def __init__(
        self,
        queue: JobQueue,
        models: ModelCache,
        sessions: Path,
        *,
        batch: int = 8,
        max_attempts: int = 3,
        limits: Limits | None = None,
        disk: Disk | None = None,
        threads: int = 2,
    ) -> None:
        self._queue = queue
        self._models = models
        self._sessions = sessions
        self._batch = batch
        self._max_attempts = max_attempts
        self._limits = limits or Limits()
        self._disk = disk or Disk()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._stopping = False

    def run(self, period: float = 2.0) -> None:
        """Step until `stop`; `period` is the longest wait for a job in seconds."""
        while not self._stopping:
            try:
                self.step(period)
            except OSError as error:
                # A folder or the disk is out of order; it may be mended while we wait.
                log.error("the queue cannot be used now: %s", error)
                self._pause(_DISK_PAUSE)

    def stop(self) -> None:
        """Let `run` end after the batch in hand. Sets flags only, for signal handlers call it."""
        self._stopping = True
        self._queue.wake()

    def close(self) -> None:
        """End the helper threads and give the queue back what is still claimed."""
        self._pool.shutdown()
        self._queue.close()

    def step(self, timeout: float = 0.0) -> int:
        """Take at most one batch and leave each of its jobs with a verdict; how many there were."""
        return self._work(self._queue.claim(self._batch, timeout))

    def run_session(self, name: str) -> bool:
        """Job mode: run this one session, with or without a ticket. False if it is not free."""
        claim = self._queue.claim_one(name)
        if claim is None and Session(self._sessions, name).state not in FINAL:
            claim = NoTicket(self._queue, name)
        return claim is None or self._work([claim]) > 0

    def _work(self, claims: list[Claim]) -> int:
        with ExitStack() as locks:
            tasks = [task for claim in claims if (task := self._admit(claim, locks)) is not None]
            for group in self._groups(tasks):
                if self._stopping:
                    for task in group:
                        task.claim.give_back()
                    continue
                self._run(group)
        return len(claims)

    def _admit(self, claim: Claim, locks: ExitStack) -> Task | None:
        """The claim as a task under its session's lock, or None when there is nothing to run."""
        session = Session(self._sessions, claim.job.session, disk=self._disk)
        try:
            if not locks.enter_context(session.lock()):
                self._later(claim, _CONTENDED_PAUSE)
                return None
            return self._checked(Task(claim, session, session.record()))
        except NotFound as error:
            missing = error.message
            log.warning("ticket %s on hold: %s", session.name, missing)
            self._settle(claim, lambda: claim.hold(missing))
        except OSError as error:
            log.error("session %s: %s; trying again", session.name, error)
            self._later(claim, _DISK_PAUSE)
        except Exception as error:
            # Before the attempt is counted, nothing else keeps this job from coming back for ever.
            reason = error if isinstance(error, ScaiError) else ScaiError(MISTAKE)
            log.warning("session %s failed", session.name, exc_info=error)
            self._settle(claim, lambda: session.fail(reason))
            self._settle(claim, lambda: claim.hold(reason.message))
        return None

    def _checked(self, task: Task) -> Task | None:
        """The task if it is to be run; else it is brought to its end."""
        if task.record.get("state") in FINAL:
            task.claim.done()
            return None
        job = task.record.get("job")
        if job != task.claim.job.kind:
            wrong = f"the session asks for {str(job)[:40]!r}, not {task.claim.job.kind}"
            self._fail(task, ScaiError(wrong))
            return None
        if attempts(task.record) >= self._max_attempts:
            self._give_up(task)
            return None
        return task

    def _settle(self, claim: Claim, act: Callable[[], object]) -> None:
        """Do something that ends a claim; when the disk refuses, let the job wait again."""
        try:
            act()
        except (OSError, ScaiError) as error:
            log.error("session %s: %s", claim.job.session, error)
            self._later(claim, _DISK_PAUSE)

    def _later(self, claim: Claim, pause: float) -> None:
        """Give the claim back, and do not take it again at once."""
        self._pause(pause)
        claim.give_back()

    def _pause(self, seconds: float) -> bool:
        """Sleep, unless we are to stop; whether we are."""
        deadline = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < deadline:
            time.sleep(min(_NAP, seconds))
        return self._stopping

    def _groups(self, tasks: Iterable[Task]) -> list[list[Task]]:
        """What runs together: jobs of one model; every suspect alone, after all the others."""
        by_model: dict[str, list[Task]] = {}
        alone = []
        for task in tasks:
            if task.suspect:
                alone.append([task])
            else:
                by_model.setdefault(task.model, []).append(task)
        return [*by_model.values(), *alone]

    def _run(self, group: list[Task]) -> None:
        ready = [task for task in self._pool.map(self._begin, group) if task is not None]
        if ready:
            self._infer(ready)

    def _infer(self, tasks: list[Task]) -> None:
        """From pixels to verdicts. When a batch fails, each picture is tried alone."""
        try:
            recognizer = self._recognizer(tasks[0].model)
            results = self._recognize(recognizer, tasks)
        except ScaiError as error:
            if len(tasks) == 1:
                self._fail(tasks[0], error)
                return
            for task in tasks:
                self._infer([task])
            return
        list(self._pool.map(self._finish, tasks, results, [recognizer] * len(tasks)))

    def _recognizer(self, section: str) -> Recognizer:
        try:
            return self._models.get(section)
        except ScaiError:
            raise
        except Exception as error:
            log.exception("model %r cannot be loaded", section)
            raise ScaiError("the model cannot be loaded; the server's log says more") from error

    def _recognize(self, recognizer: Recognizer, tasks: list[Task]) -> list[Result]:
        started = time.perf_counter()
        images = [task.pixels for task in tasks if task.pixels is not None]
        try:
            results = recognizer.recognize(images, [task.options for task in tasks])
        except ScaiError:
            raise
        except Exception as error:
            log.exception("model %s failed on %d images", recognizer.card.name, len(images))
            raise ScaiError(MISTAKE) from error
        took = (time.perf_counter() - started) * 1000
        for task in tasks:
            task.times["infer_ms"] = took
            task.batch = len(tasks)
        return results

    def _begin(self, task: Task) -> Task | None:
        """Count the attempt and decode the picture; None when that was the end of it."""
        started = time.perf_counter()
        task.times["waited_ms"] = max(0.0, time.time() - task.created) * 1000
        try:
            task.record = task.session.start()
            # A foreign client's file may be of any size: one byte more is enough to refuse it.
            with task.session.input_path.open("rb") as file:
                data = file.read(self._limits.max_bytes + 1)
            task.pixels, task.orientation = decode_oriented(data, self._limits)
        except ScaiError as error:
            self._fail(task, error)
            return None
        except OSError as error:
            log.error("session %s: %s; trying again", task.session.name, error)
            self._later(task.claim, _DISK_PAUSE)
            return None
        except Exception:
            log.exception("session %s: decoding failed", task.session.name)
            self._fail(task, ScaiError(MISTAKE))
            return None
        task.times["decode_ms"] = (time.perf_counter() - started) * 1000
        return task

    def _finish(self, task: Task, result: Result, recognizer: Recognizer) -> None:
        """Draw, publish the verdict, drop the ticket."""
        assert task.pixels is not None
        started = time.perf_counter()
        height, width = task.pixels.shape[:2]
        text, picture, card = "", None, recognizer.card
        try:
            if isinstance(result, Classification):
                text = result.seed_text()
            else:
                picture = annotate(task.pixels, result, card.line_thickness, card.max_boxes)
        except Exception:
            log.exception("session %s: drawing failed", task.session.name)
            self._fail(task, ScaiError("the result could not be drawn", stage="draw"))
            return
        task.times["draw_ms"] = (time.perf_counter() - started) * 1000
        found = result.to_dict()
        # Said once, under "image", for all kinds.
        found.pop("width", None), found.pop("height", None)
        verdict = {
            **found,
            "image": {"width": width, "height": height, "orientation": task.orientation},
            "model": card.name,
            "engine": recognizer.engine.name,
            "batch": task.batch,
            "timing": {name: round(value, 2) for name, value in task.times.items()},
        }
        if self._publish(task, lambda: task.session.complete(verdict, text=text, picture=picture)):
            log.info(
                "session %s: %s, waited %.0f ms, inference %.1f ms (batch of %d)",
                task.session.name,
                _summary(result),
                task.times["waited_ms"],
                task.times["infer_ms"],
                task.batch,
            )

    def _fail(self, task: Task, error: ScaiError) -> None:
        if self._publish(task, lambda: task.session.fail(error)):
            log.warning("session %s failed: %s", task.session.name, error.message)

    def _give_up(self, task: Task) -> None:
        count = attempts(task.record)
        reason = f"the worker died {count} times while it was running this job"
        self._publish(task, lambda: task.session.fail(WorkerDied(reason, attempts=count)), reason)
        log.error("session %s given up: %s", task.session.name, reason)

    def _publish(self, task: Task, write: Callable[[], bool], hold: str = "") -> bool:
        """Write a verdict, however long the disk is full, then drop the ticket (or hold it)."""
        while True:
            try:
                write()
                task.claim.hold(hold) if hold else task.claim.done()
                return True
            except NotFound:
                task.claim.done()  # removed meanwhile: nobody is left to be told
                return False
            except OSError as error:
                log.error("session %s: no verdict written: %s", task.session.name, error)
                if self._pause(_DISK_PAUSE):
                    task.claim.give_back()
                    return False


def _summary(result: Result) -> str:
    if isinstance(result, Classification):
        return f"{result.labels[0]} {result.scores[0]:.1%}" if len(result) else "no class"
    return f"{len(result)} found"
