"""The end of a job: its verdict is written, then its ticket goes.

A disk that refuses is waited out: the result is known, only room is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from scai.errors import NotFound, ScaiError, WorkerDied
from scai.monitoring.journal import Entry
from scai.recognition.annotate import annotate
from scai.recognition.recognizer import Recognizer
from scai.recognition.results import Result
from scai.storage.session import Session, arrived, attempts
from scai.worker.task import Task

log = logging.getLogger(__name__)

# Seconds before a disk that refused is tried again.
DISK_PAUSE = 1.0


class Verdicts:
    """Publishes what became of tasks, from any thread.

    `pause(seconds)` waits and says whether the worker is to stop: then the job is given back.
    `note` is given, for each verdict that is out, what makes its entry in the journal; it must not
    fail.
    """

    def __init__(
        self,
        pause: Callable[[float], bool],
        note: Callable[[Callable[[], Entry]], None] = lambda entry: None,
    ) -> None:
        self._pause = pause
        self._note = note

    def complete(self, task: Task, result: Result, recognizer: Recognizer) -> None:
        """Draw, publish the result, drop the ticket."""
        started = time.perf_counter()
        text, picture, card = "", None, recognizer.card
        try:
            text = result.seed_text()
            if result.drawing is not None:
                limits = card.line_thickness, card.max_boxes
                picture = annotate(task.shown, result.drawing, *limits)
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
            return task.session.complete(verdict, text=text, picture=picture, record=task.record)

        if self._publish(task, write, lambda: _entry_of(task, recognizer)):
            log.info(
                "session %s: %s, waited %.0f ms, inference %.1f ms (batch of %d)",
                task.session.name,
                result.summary(),
                task.times["waited_ms"],
                task.times["infer_ms"],
                task.batch,
            )

    def note_failure(self, session: Session, error: ScaiError) -> None:
        """Tell the journal of a job that failed before it was a task."""
        self._note(lambda: Entry.unstarted(error, arrived(session.name)))

    def fail(self, task: Task, error: ScaiError) -> None:
        """Publish that there will be no result, and why."""
        if self._publish(task, lambda: task.session.fail(error), lambda: _entry_of(task, error)):
            log.warning("session %s failed: %s", task.session.name, error.message)

    def give_up(self, task: Task) -> None:
        """Fail a job that killed its worker too often, and put its ticket on hold."""
        count = attempts(task.record)
        reason = f"the worker died {count} times while it was running this job"
        error = WorkerDied(reason, attempts=count)
        self._publish(
            task, lambda: task.session.fail(error), lambda: _entry_of(task, error), hold=reason
        )
        log.error("session %s given up: %s", task.session.name, reason)

    def _publish(
        self,
        task: Task,
        write: Callable[[], bool],
        entry: Callable[[], Entry],
        *,
        hold: str = "",
    ) -> bool:
        """Write a verdict, however long the disk is full, then drop the ticket (or hold it)."""
        written = False
        while True:
            try:
                written |= write()
                task.claim.hold(hold) if hold else task.claim.done()
                if written:
                    self._note(entry)
                return True
            except NotFound:
                task.claim.done()  # removed meanwhile: nobody is left to be told
                return False
            except OSError as error:
                log.error("session %s: no verdict written: %s", task.session.name, error)
                if self._pause(DISK_PAUSE):
                    task.claim.give_back()
                    return False


def _entry_of(task: Task, end: Recognizer | ScaiError) -> Entry:
    """What the journal says of a task that ended by this recognizer's result or by an error."""
    now, waited = time.time(), task.times.get("waited_ms", 0.0)
    took = max(0.0, now - task.created) * 1000
    if isinstance(end, ScaiError):
        return Entry.failure(end, now, took, waited, task.model)
    infer, model = task.times.get("infer_ms", 0.0), end.card.name
    return Entry(now, took, waited, infer, task.batch, "complete", model, end.engine.name)
