"""Fail the jobs that have waited longer than they may, although no worker gets to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from scai.errors import ScaiError
from scai.queues.base import JobQueue
from scai.storage.session import arrival_time
from scai.worker.admission import Admission
from scai.worker.outcomes import Failed, Later
from scai.worker.verdicts import Verdicts

log = logging.getLogger(__name__)

# Most jobs that one step fails; the rest is for the next.
_MOST = 100
# Least pause between two looks into the queue, in seconds.
_PAUSE = 1.0


class Overdue:
    """Looks for jobs of `queue` that wait for longer than the queue deadline of the admission.

    A worker sees for itself that a job which it claims is overdue. This is for those that it does
    not claim, because its engine is busy or hangs.
    """

    def __init__(
        self,
        queue: JobQueue,
        admission: Admission,
        verdicts: Verdicts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._admission = admission
        self._verdicts = verdicts
        self._clock = clock
        self._due = -float("inf")

    def step(self) -> None:
        """Fail the overdue jobs, if it is time for a look. Errors are logged."""
        self._admission.ages.look()
        limit = self._admission.queue_deadline
        if limit <= 0 or self._clock() < self._due:
            return
        self._due = self._clock() + max(_PAUSE, limit / 10)
        try:
            for name in sorted(filter(self._is_overdue, self._queue.waiting()))[:_MOST]:
                self._fail(name)
        except OSError as error:
            log.error("the queue cannot be searched for overdue jobs now: %s", error)

    def _is_overdue(self, name: str) -> bool:
        at = arrival_time(name)
        return at is not None and self._admission.is_overdue(at)

    def _fail(self, name: str) -> None:
        claim = self._queue.claim_one(name)
        if claim is None:
            return
        task, outcome = self._admission.look(claim)
        if isinstance(outcome, Failed) and not outcome.hold:
            try:
                # One try: this thread has others to look after, whatever the disk does.
                self._verdicts.expire(task, outcome.error)
            except (OSError, ScaiError) as error:
                log.error("session %s: no verdict written: %s", name, error)
        if task.is_current:
            # It was not written, or its record says otherwise than its name: that is for others.
            self._verdicts.finish(task, Later())
