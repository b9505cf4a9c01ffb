"""From a claim to a task: under its session's lock, with its record read and found to be ours.

Whatever cannot be run is brought to its end here: a verdict, a hold, or a job that waits again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from scai.errors import MISTAKE, NotFound, ScaiError
from scai.queues.base import Claim
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session, attempts
from scai.worker.task import Task
from scai.worker.verdicts import DISK_PAUSE, Verdicts

log = logging.getLogger(__name__)

# Before a session that somebody else holds is looked at again, in seconds.
CONTENDED_PAUSE = 0.1


class Admission:
    """Admits claims of sessions in the folder `sessions`.

    A job that `max_attempts` workers died of is given up. `pause(seconds)` waits.
    """

    def __init__(
        self,
        sessions: Path,
        disk: Disk,
        max_attempts: int,
        verdicts: Verdicts,
        pause: Callable[[float], bool],
    ) -> None:
        self._sessions = sessions
        self._disk = disk
        self._max_attempts = max_attempts
        self._verdicts = verdicts
        self._pause = pause

    def admit(self, claim: Claim) -> Task | None:
        """The claim as a task that holds its session's lock; None when there is nothing to run."""
        lock, task = ExitStack(), None
        session = Session(self._sessions, claim.job.session, disk=self._disk)
        try:
            if lock.enter_context(session.lock()):
                task = self._checked(Task(claim, session, session.record(), lock))
            else:
                self.later(claim, CONTENDED_PAUSE)
        except NotFound as error:
            missing = error.message
            log.warning("ticket %s on hold: %s", session.name, missing)
            self._settle(claim, lambda: claim.hold(missing))
        except OSError as error:
            log.error("session %s: %s; trying again", session.name, error)
            self.later(claim, DISK_PAUSE)
        except Exception as error:
            # Before the attempt is counted, nothing else keeps this job from coming back for ever.
            reason = error if isinstance(error, ScaiError) else ScaiError(MISTAKE)
            log.warning("session %s failed", session.name, exc_info=error)
            self._settle(claim, lambda: session.fail(reason))
            self._settle(claim, lambda: claim.hold(reason.message))
            self._verdicts.note_failure(session, reason)
        finally:
            if task is None:
                lock.close()
        return task

    def _checked(self, task: Task) -> Task | None:
        """The task if it is to be run; else it is brought to its end."""
        job = task.record.get("job")
        if task.record.get("state") in FINAL:
            task.claim.done()
        elif job != task.claim.job.kind:
            wrong = f"the session asks for {str(job)[:40]!r}, not {task.claim.job.kind}"
            self._verdicts.fail(task, ScaiError(wrong))
        elif attempts(task.record) >= self._max_attempts:
            self._verdicts.give_up(task)
        else:
            return task
        return None

    def _settle(self, claim: Claim, act: Callable[[], object]) -> None:
        """Do something that ends a claim; when the disk refuses, let the job wait again."""
        try:
            act()
        except (OSError, ScaiError) as error:
            log.error("session %s: %s", claim.job.session, error)
            self.later(claim, DISK_PAUSE)

    def later(self, claim: Claim, pause: float) -> None:
        """Give the claim back, and do not take it again at once."""
        self._pause(pause)
        claim.give_back()
