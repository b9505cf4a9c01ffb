"""The end of a job: `Verdicts.finish` publishes the verdict, then lets go of the ticket.

In a worker, nothing else ends a claim, except `expire` for a job past its deadline. In job mode,
scai/programs/job_runner.py also gives up jobs that no process could begin. A verdict is written
under the session's lock, and only while the claim is current: whoever has lost it writes nothing.
The ticket goes only after the verdict is on the disk. While the disk is full, the worker waits,
because only space is missing. A job that is given back without a death loses no attempt.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from scai.errors import MISTAKE, BadSession, NotFound, ScaiError
from scai.monitoring.journal import JournalEntry
from scai.monitoring.strangers import without_folders
from scai.pictures.pixels import Picture
from scai.recognition.annotate import annotate
from scai.recognition.recognizer import Recognizer
from scai.storage.disk import Disk
from scai.storage.session import Session, arrival_time
from scai.worker.contention import Contention
from scai.worker.outcomes import (
    AlreadyFinal,
    Complete,
    Failed,
    Later,
    Lost,
    Missing,
    Outcome,
    Refused,
    Unreadable,
)
from scai.worker.refusals import Refusals
from scai.worker.task import WAITING, WRITING, Task

log = logging.getLogger(__name__)

# Seconds before a disk that refused is tried again.
DISK_PAUSE = 1.0
# Seconds before a session that somebody else holds is tried again.
CONTENDED_PAUSE = 0.1
# Seconds to wait for a session's lock, which is held for one change at a time.
_PATIENCE = 1.0

# Writes a verdict into a session that is locked, over its record or an unreadable one (None); False
# if the state was final already.
Write = Callable[[Session, dict[str, Any] | None], bool]
MakeEntry = Callable[[], JournalEntry]


class Verdicts:
    """Finishes tasks, from any thread.

    `pause(seconds)` waits and says whether the worker is to stop: then the job is given back.
    `note` is called for each published verdict, with a function that makes its journal entry; it
    must not fail. Without `draws`, results are not drawn on their pictures. `clock`: of the time
    that jobs work. `flush` flushes a folder; it raises OSError. `contention`: of the sessions whose
    lock others hold. `refusals` keeps the claims of those that the disk refuses; without it, they
    are given back after a pause. `leave` lets suspects by: the task kills no worker any more.
    """

    def __init__(
        self,
        pause: Callable[[float], bool],
        note: Callable[[MakeEntry], None] = lambda entry: None,
        *,
        draws: bool = True,
        clock: Callable[[], float] = time.monotonic,
        flush: Callable[[Path], None] = lambda folder: None,
        contention: Contention | None = None,
        refusals: Refusals | None = None,
        leave: Callable[[Task], None] = lambda task: None,
    ) -> None:
        self._pause = pause
        self._contention = contention or Contention(Disk(), clock=clock)
        self._refusals = refusals
        self._leave = leave
        self._flush = flush
        self._note = note
        self._clock = clock
        self._draws = draws

    def finish(self, task: Task, outcome: Outcome) -> None:
        """End a task, once; after an unexpected error here, the job waits again."""
        try:
            self._carry_out(task, outcome)
            if self._refusals and self._refusals.known:
                if not isinstance(outcome, (Later, Refused)):
                    self._refusals.forget(task.session.name)
        except (OSError, ScaiError) as error:
            log.error("session %s: %s; trying again", task.session.name, error)
            if isinstance(error, OSError):
                self._refuse(task, error)
            else:
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
                self._publish(
                    task,
                    lambda session, record: session.fail(error, record),
                    lambda: JournalEntry.unstarted(error, arrival_time(task.session.name)),
                    hold=error.message,
                )
            case Missing(reason):
                log.warning("ticket %s on hold: %s", task.session.name, reason)
                task.claim.hold(reason)
            case AlreadyFinal():
                # Whoever published it may have died before the last flush.
                with suppress(FileNotFoundError):
                    self._flush(task.session.path)
                task.claim.done()
            case Lost():
                self._tell_loss(task)
            case Later(pause):
                self._later(task, pause)
            case Refused(refusal):
                self._refuse(task, refusal)

    def _later(self, task: Task, pause: float) -> None:
        """Give the job back, and do not take it again at once."""
        self._stop_work(task)
        self._give_back(task, pause)

    def _refuse(self, task: Task, error: OSError) -> None:
        """Keep a job whose files the disk refuses for later, so that others are claimed past it."""
        self._stop_work(task)
        try:
            if self._refusals and self._refusals.keep(task.claim, error):
                return
        except OSError as again:
            log.error("session %s: not put on hold: %s", task.session.name, again)
        self._give_back(task, DISK_PAUSE)

    def _stop_work(self, task: Task) -> None:
        self._enter(task, WAITING)
        try:
            # Before the pause: the worker may be killed in it.
            self.take_back(task)
        except (OSError, ScaiError) as error:
            log.error("session %s: its attempt stays counted: %s", task.session.name, error)
        self._leave(task)

    def _give_back(self, task: Task, pause: float) -> None:
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

        def write(session: Session, record: dict[str, Any] | None) -> bool:
            return session.complete(verdict, text=text, picture=picture, record=record)

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

        def write(session: Session, record: dict[str, Any] | None) -> bool:
            return session.fail(_for_client(error), record)

        is_published = self._publish(task, write, lambda: _entry_of(task, error), hold=hold)
        if is_published:
            _tell_failure(task, outcome)

    def expire(self, task: Task, error: ScaiError) -> bool:
        """Publish the failure of a task that another thread has in hand, whose end is late then.

        One try: False if the session's lock could not be had. Raises OSError and ScaiError.
        """

        def write(session: Session, record: dict[str, Any] | None) -> bool:
            return session.fail(error, record)

        is_published = self._try_to_publish(task, write, lambda: _entry_of(task, error), "")
        if is_published:
            _tell_failure(task, Failed(error))
        return is_published is not None

    def take_back(self, task: Task) -> None:
        """Let the attempt of a run that ends without a death not count. Raises OSError."""
        if task.started and not task.is_taken_back and not task.is_published:
            self.note_work(task, interrupted=True)

    def note_work(self, task: Task, *, interrupted: bool = False) -> None:
        """Write into the record how long the job has worked. Raises OSError, NotFound."""
        with task.session.lock(_PATIENCE) as session:
            if not task.is_current:
                self._tell_loss(task)
            elif session and not task.is_taken_back:
                now = self._clock()
                seconds = task.worked(now)
                session.note_work(task.claim.token, seconds, interrupted=interrupted)
                task.noted_at, task.is_taken_back = now, interrupted

    def _publish(self, task: Task, write: Write, entry: MakeEntry, *, hold: str = "") -> bool:
        """Write a verdict, however long the disk is full, then drop the ticket (or hold it).

        That of a job without a run is tried once; raises OSError.

        The verdict is known: waiting for the lock or for the disk is no work, and keeps nobody.
        """

        def write_now(session: Session, record: dict[str, Any] | None) -> bool:
            self._enter(task, WRITING)
            return write(session, record)

        while True:
            self._enter(task, WAITING)
            try:
                is_published = self._try_to_publish(task, write_now, entry, hold)
                if is_published is not None:
                    if not is_published and task.is_current:
                        # Its ticket was put again, and the job runs by another claim.
                        self._later(task, CONTENDED_PAUSE)
                    return is_published
                log.warning("session %s: somebody holds its lock", task.session.name)
                if self._contention.note(task):
                    continue
                if not task.is_current:
                    self._tell_loss(task)
                    return False
                if not task.started:
                    raise BlockingIOError(errno.EAGAIN, "somebody holds the session's lock")
            except NotFound:
                task.claim.done()  # the session was removed meanwhile
                return False
            except OSError as error:
                if not task.started:
                    raise  # this may be the thread that claims: others must not wait
                log.error("session %s: no verdict written: %s", task.session.name, error)
            self._enter(task, WAITING)
            self._leave(task)
            if self._pause(DISK_PAUSE):
                self._later(task, 0.0)
                return False

    def _enter(self, task: Task, stage: str) -> None:
        """Let a task that has begun enter a stage."""
        if task.started:
            task.enter(stage, self._clock())

    def _try_to_publish(self, task: Task, write: Write, entry: MakeEntry, hold: str) -> bool | None:
        """Write a verdict, if the session is still this worker's to change; whether it was.

        None if somebody else holds the lock.
        """
        with task.session.lock(_PATIENCE) as session:
            if session is None:
                return None
            if task.session.name in self._contention.held:
                self._contention.forget(task)
            try:
                record: dict[str, Any] | None = session.record()
            except BadSession:
                # It was readable when the run began.
                record = task.record if task.started else None
            if not task.may_change(record or {}):
                self._tell_loss(task)
                return False
            task.is_published |= write(session, record)
            task.claim.hold(hold) if hold else task.claim.done()
            if task.is_published:
                self._note(entry)
            return task.is_published

    def _tell_loss(self, task: Task) -> None:
        if not task.is_published and not task.is_current:
            task.is_lost = True
            log.warning("session %s: its claim was lost; nothing is written", task.session.name)


def _tell_failure(task: Task, outcome: Failed) -> None:
    if outcome.hold:
        log.error("session %s given up: %s", task.session.name, outcome.hold)
    else:
        log.warning("session %s failed: %s", task.session.name, outcome.error.message)


def _for_client(error: ScaiError) -> ScaiError:
    """The error without the folders of this server, such as those of a model; the log has them."""
    sentence = without_folders(error.message)
    return ScaiError.from_dict({**error.to_dict(), "error": sentence})


def failure(task: Task, error: Exception, step: str) -> Outcome:
    """The outcome of a task in which `error` was raised; `step` names the step in the log."""
    if isinstance(error, ScaiError):
        return Failed(error)
    if isinstance(error, OSError):
        log.error("session %s: %s; trying again", task.session.name, error)
        return Refused(error)
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
