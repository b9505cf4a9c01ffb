"""Admit claims: read a session's record, decide whether the job may run, and count its attempt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from scai.errors import MISTAKE, Deadline, NotFound, ScaiError, WorkerDied
from scai.queues.base import Claim
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session, attempts
from scai.worker.ages import AgeClock
from scai.worker.contention import Contention
from scai.worker.outcomes import (
    AlreadyFinal,
    Failed,
    Later,
    Lost,
    Missing,
    Outcome,
    Refused,
    Unreadable,
)
from scai.worker.task import DECODING, WAITING, Task
from scai.worker.verdicts import CONTENDED_PAUSE, Verdicts

log = logging.getLogger(__name__)


class Admission:
    """Admits claims of sessions in the folder `sessions`.

    A job that `max_attempts` workers died of is given up, and one that waited for its first run
    longer than `queue_deadline` seconds, if that is above zero. `contention`: of the sessions whose
    lock others hold. `clock`: of the time that jobs work
    """

    def __init__(
        self,
        sessions: Path,
        disk: Disk,
        max_attempts: int,
        verdicts: Verdicts,
        queue_deadline: float = 0.0,
        *,
        contention: Contention | None = None,
        ages: AgeClock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._disk = disk
        self._max_attempts = max_attempts
        self._verdicts = verdicts
        self.queue_deadline = queue_deadline
        self._contention = contention or Contention(disk, clock=clock)
        self.ages = ages or AgeClock()
        self._clock = clock

    def admit(self, claim: Claim) -> Task | None:
        """The claim as a task with its session's record; None for a job that is finished."""
        task, outcome = self.look(claim)
        if outcome is None:
            return task
        self._verdicts.finish(task, outcome)
        return None

    def look(self, claim: Claim) -> tuple[Task, Outcome | None]:
        """The claim as a task with its session's record, and the outcome of one that must not run.

        The caller has to finish the task.
        """
        task = Task(claim, Session(self._sessions, claim.job.session, disk=self._disk))
        return task, self._outcome_of(self._look, task)

    def start(self, task: Task) -> Outcome | None:
        """Count the attempt, just before the run; the outcome of a job that must not run."""
        return self._outcome_of(self._count, task)

    def _outcome_of(self, step: Callable[[Task], Outcome | None], task: Task) -> Outcome | None:
        try:
            return step(task)
        except NotFound as error:
            return Missing(error.message)
        except OSError as error:
            log.error("session %s: %s; trying again", task.session.name, error)
            return Refused(error)
        except Exception as error:
            # Before the attempt is counted, nothing else keeps this job from coming back for ever.
            log.warning("session %s failed", task.session.name, exc_info=error)
            return Unreadable(error if isinstance(error, ScaiError) else ScaiError(MISTAKE))

    def _look(self, task: Task) -> Outcome | None:
        """Read the record; the outcome of a job that must not run."""
        task.record = task.session.record()
        kind, job = task.claim.job.kind, task.record.get("job")
        if task.record.get("state") in FINAL:
            return AlreadyFinal()
        if job != kind:
            return Failed(ScaiError(f"the session asks for {str(job)[:40]!r}, not {kind}"))
        deaths = attempts(task.record)
        if deaths >= self._max_attempts:
            reason = f"the worker died {deaths} times while it was running this job"
            return Failed(WorkerDied(reason, attempts=deaths), hold=reason)
        return self._overdue(task)

    def _overdue(self, task: Task) -> Outcome | None:
        """The failure of a job that waited too long for its first run, or None."""
        limit = self.queue_deadline
        if attempts(task.record) or task.worked_before or not self.is_overdue(task.created):
            return None
        reason = f"the job waited for more than {limit:g} s"
        return Failed(Deadline(reason, stage=WAITING, limit=limit, setting="queue_deadline"))

    def is_overdue(self, created: float) -> bool:
        """Whether a job that came at that time, in epoch seconds, may not wait any longer."""
        return 0 < self.queue_deadline < self.ages.age(created)

    def _count(self, task: Task) -> Outcome | None:
        """Write the attempt into the record, unless somebody else has to do with the session."""
        with task.session.lock() as session:
            if session is None:
                self._contention.note(task)
                return Later(CONTENDED_PAUSE)
            if task.session.name in self._contention.held:
                self._contention.forget(task)
            record = session.record()
            if record.get("state") in FINAL:
                return AlreadyFinal()
            if not task.is_current:
                return Lost()
            # An attempt that was counted meanwhile makes it a suspect: it must be admitted anew.
            changed = attempts(record) != attempts(task.record)
            if changed or not task.may_change(record):
                return Later(CONTENDED_PAUSE)
            task.record = session.start(record, claim=task.claim.token)
            task.enter(DECODING, self._clock())
        return None
