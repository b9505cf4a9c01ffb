"""Admit claims: lock the session, read its record, and decide whether the job may run."""

from __future__ import annotations

import logging
from pathlib import Path

from scai.errors import MISTAKE, NotFound, ScaiError, WorkerDied
from scai.queues.base import Claim
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session, attempts
from scai.worker.outcomes import AlreadyFinal, Failed, Later, Missing, Outcome, Unreadable
from scai.worker.task import Task
from scai.worker.verdicts import DISK_PAUSE, Verdicts

log = logging.getLogger(__name__)

# Seconds before a session that somebody else holds is tried again.
CONTENDED_PAUSE = 0.1


class Admission:
    """Admits claims of sessions in the folder `sessions`.

    A job that `max_attempts` workers died of is given up.
    """

    def __init__(self, sessions: Path, disk: Disk, max_attempts: int, verdicts: Verdicts) -> None:
        self._sessions = sessions
        self._disk = disk
        self._max_attempts = max_attempts
        self._verdicts = verdicts

    def admit(self, claim: Claim) -> Task | None:
        """The claim as a task that holds its session's lock; None for a job that is finished."""
        task = Task(claim, Session(self._sessions, claim.job.session, disk=self._disk))
        outcome = self._begin(task)
        if outcome is None:
            return task
        self._verdicts.finish(task, outcome)
        return None

    def _begin(self, task: Task) -> Outcome | None:
        """Lock the session and read its record; the outcome of a job that must not run."""
        try:
            if not task.resources.enter_context(task.session.lock()):
                return Later(CONTENDED_PAUSE)
            task.record = task.session.record()
            return self._refusal(task)
        except NotFound as error:
            return Missing(error.message)
        except OSError as error:
            log.error("session %s: %s; trying again", task.session.name, error)
            return Later(DISK_PAUSE)
        except Exception as error:
            # Before the attempt is counted, nothing else keeps this job from coming back for ever.
            log.warning("session %s failed", task.session.name, exc_info=error)
            return Unreadable(error if isinstance(error, ScaiError) else ScaiError(MISTAKE))

    def _refusal(self, task: Task) -> Outcome | None:
        """Why a task whose record is read must not run, or None."""
        kind, job = task.claim.job.kind, task.record.get("job")
        if task.record.get("state") in FINAL:
            return AlreadyFinal()
        if job != kind:
            return Failed(ScaiError(f"the session asks for {str(job)[:40]!r}, not {kind}"))
        deaths = attempts(task.record)
        if deaths >= self._max_attempts:
            reason = f"the worker died {deaths} times while it was running this job"
            return Failed(WorkerDied(reason, attempts=deaths), hold=reason)
        return None
