"""The end of a job: its verdict is written, then its ticket goes.

A disk that refuses is waited out: the result is known, only room is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from scai.annotate import annotate
from scai.errors import NotFound, ScaiError, WorkerDied
from scai.recognizer import Recognizer
from scai.results import Classification, Result
from scai.session import attempts
from scai.task import Task

log = logging.getLogger(__name__)

# Seconds before a disk that refused is tried again.
DISK_PAUSE = 1.0


class Verdicts:
    """Publishes what became of tasks, from any thread.

    `pause(seconds)` waits and says whether the worker is to stop: then the job is given back.
    """

    def __init__(self, pause: Callable[[float], bool]) -> None:
        self._pause = pause

    def complete(self, task: Task, result: Result, recognizer: Recognizer) -> None:
        """Draw, publish the result, drop the ticket."""
        started = time.perf_counter()
        text, drawing, card = "", None, recognizer.card
        try:
            if isinstance(result, Classification):
                text = result.seed_text()
            else:
                drawing = annotate(task.shown, result, card.line_thickness, card.max_boxes)
        except Exception:
            log.exception("session %s: drawing failed", task.session.name)
            self.fail(task, ScaiError("the result could not be drawn", stage="draw"))
            return
        task.times["draw_ms"] = (time.perf_counter() - started) * 1000
        found = result.to_dict()
        # Said once, under "image", for all kinds.
        found.pop("width", None), found.pop("height", None)
        verdict = {
            **found,
            "image": task.image,
            "model": card.name,
            "engine": recognizer.engine.name,
            "batch": task.batch,
            "timing": {name: round(value, 2) for name, value in task.times.items()},
        }

        def write() -> bool:
            return task.session.complete(verdict, text=text, picture=drawing, record=task.record)

        if self._publish(task, write):
            log.info(
                "session %s: %s, waited %.0f ms, inference %.1f ms (batch of %d)",
                task.session.name,
                _summary(result),
                task.times["waited_ms"],
                task.times["infer_ms"],
                task.batch,
            )

    def fail(self, task: Task, error: ScaiError) -> None:
        """Publish that there will be no result, and why."""
        if self._publish(task, lambda: task.session.fail(error)):
            log.warning("session %s failed: %s", task.session.name, error.message)

    def give_up(self, task: Task) -> None:
        """Fail a job that killed its worker too often, and put its ticket on hold."""
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
                if self._pause(DISK_PAUSE):
                    task.claim.give_back()
                    return False


def _summary(result: Result) -> str:
    if isinstance(result, Classification):
        return f"{result.labels[0]} {result.scores[0]:.1%}" if len(result) else "no class"
    return f"{len(result)} found"
