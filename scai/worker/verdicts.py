"""The end of a job: `Verdicts.finish` publishes the verdict, then lets go of ticket and lock.

In a worker, nothing else ends a claim. In job mode, scai/programs/job_runner.py also gives up jobs
that no process could begin. The ticket goes only after the verdict is on the disk. While the disk
is full, the worker waits, because only space is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from scai.errors import MISTAKE, NotFound, ScaiError
from scai.monitoring.journal import JournalEntry
from scai.pictures.pixels import Picture
from scai.recognition.annotate import annotate
from scai.recognition.recognizer import Recognizer
from scai.storage.session import arrival_time
from scai.worker.outcomes import (
    AlreadyFinal,
    Complete,
    Failed,
    Later,
    Missing,
    Outcome,
    Unreadable,
)
from scai.worker.task import Task

log = logging.getLogger(__name__)

# Seconds before a disk that refused is tried again.
DISK_PAUSE = 1.0


class Verdicts:
    """Finishes tasks, from any thread.

    `pause(seconds)` waits and says whether the worker is to stop: then the job is given back.
    `note` is called for each published verdict, with a function that makes its journal entry; it
    must not fail. Without `draws`, results are not drawn on their pictures.
    """

    def __init__(
        self,
        pause: Callable[[float], bool],
        note: Callable[[Callable[[], JournalEntry]], None] = lambda entry: None,
        *,
        draws: bool = True,
    ) -> None:
        self._pause = pause
        self._note = note
        self._draws = draws

    def finish(self, task: Task, outcome: Outcome) -> None:
        """End a task, once; after an unexpected error here, the job waits again."""
        try:
            self._carry_out(task, outcome)
        except (OSError, ScaiError) as error:
            log.error("session %s: %s; trying again", task.session.name, error)
            self._later(task, DISK_PAUSE)
        except Exception:
            log.exception("session %s: no verdict written; trying again", task.session.name)
            self._later(task, DISK_PAUSE)
        finally:
            task.resources.close()

    def _carry_out(self, task: Task, outcome: Outcome) -> None:
        match outcome:
            case Complete():
                self._complete(task, outcome)
            case Failed():
                self._fail(task, outcome)
            case Unreadable(error):
                task.session.fail(error)
                task.claim.hold(error.message)
                self._note(lambda: JournalEntry.unstarted(error, arrival_time(task.session.name)))
            case Missing(reason):
                log.warning("ticket %s on hold: %s", task.session.name, reason)
                task.claim.hold(reason)
            case AlreadyFinal():
                task.claim.done()
            case Later(pause):
                self._later(task, pause)

    def _later(self, task: Task, pause: float) -> None:
        """Give the job back, and do not take it again at once."""
        self._pause(pause)
        try:
            task.claim.give_back()
        except OSError as error:
            # The claim comes back to the queue when this worker ends.
            log.error("session %s: cannot be given back: %s", task.session.name, error)

    def _complete(self, task: Task, outcome: Complete) -> None:
        """Draw, publish the result, drop the ticket."""
        start = time.perf_counter()
        result, recognizer = outcome.result, outcome.recognizer
        try:
            text, picture = result.seed_text(), self._draw(task, outcome)
        except Exception:
            log.exception("session %s: drawing failed", task.session.name)
            self._fail(task, Failed(ScaiError("the result could not be drawn", stage="draw")))
            return
        task.times["draw_ms"] = (time.perf_counter() - start) * 1000
        verdict = _verdict(task, outcome)

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

    def _draw(self, task: Task, outcome: Complete) -> bytes | None:
        """The PNG of the picture with the result on it; None where nothing is drawn."""
        drawing = outcome.result.drawing
        if drawing is None or not self._draws:
            return None
        card = outcome.recognizer.card
        return annotate(task.pixels, drawing, card.line_thickness, card.max_boxes)

    def _fail(self, task: Task, outcome: Failed) -> None:
        """Publish the failure with its reason; drop the ticket or put it on hold."""
        error, hold = outcome.error, outcome.hold

        def write() -> bool:
            return task.session.fail(error)

        is_published = self._publish(task, write, lambda: _entry_of(task, error), hold=hold)
        if hold:
            log.error("session %s given up: %s", task.session.name, hold)
        elif is_published:
            log.warning("session %s failed: %s", task.session.name, error.message)

    def _publish(
        self,
        task: Task,
        write: Callable[[], bool],
        entry: Callable[[], JournalEntry],
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
                task.claim.done()  # the session was removed meanwhile
                return False
            except OSError as error:
                log.error("session %s: no verdict written: %s", task.session.name, error)
                if self._pause(DISK_PAUSE):
                    task.claim.give_back()
                    return False


def failure(task: Task, error: Exception, step: str) -> Outcome:
    """The outcome of a task in which `error` was raised; `step` names the step in the log."""
    if isinstance(error, ScaiError):
        return Failed(error)
    if isinstance(error, OSError):
        log.error("session %s: %s; trying again", task.session.name, error)
        return Later(DISK_PAUSE)
    log.error("session %s: %s failed", task.session.name, step, exc_info=error)
    return Failed(ScaiError(MISTAKE))


def _verdict(task: Task, outcome: Complete) -> dict[str, Any]:
    """The content of result.json, without the state."""
    assert task.decoded is not None
    predictions = outcome.result.to_dict()
    # The size is under "image", for results of every kind.
    predictions.pop("width", None), predictions.pop("height", None)
    return {
        **predictions,
        "image": _image(task.decoded),
        "model": outcome.recognizer.card.name,
        "engine": outcome.recognizer.engine.name,
        "batch": task.batch,
        "timing": {name: round(value, 2) for name, value in task.times.items()},
    }


def _image(picture: Picture) -> dict[str, int]:
    return {
        "width": picture.width,
        "height": picture.height,
        "orientation": picture.orientation,
    }


def _entry_of(task: Task, end: Recognizer | ScaiError) -> JournalEntry:
    """The journal entry of a task that ended by this recognizer's result or by an error."""
    now, waited_ms = time.time(), task.times.get("waited_ms", 0.0)
    total_ms = max(0.0, now - task.created) * 1000
    if isinstance(end, ScaiError):
        return JournalEntry.failure(end, now, total_ms, waited_ms, task.model)
    infer, model = task.times.get("infer_ms", 0.0), end.card.name
    return JournalEntry(
        now, total_ms, waited_ms, infer, task.batch, "complete", model, end.engine.name
    )
