"""What a person may do with a job by hand: hold it, release it, drop it.

Each is a few changes in an order that lets a crash come at any point: the job then is on hold or
waits, and the same command again ends the matter.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from scai.errors import BadRequest, BadSession, InUse, NotFound
from scai.jobs.listing import JobEntry, describe, entries
from scai.queues.base import JobQueue
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session

log = logging.getLogger(__name__)

BY_HAND = "set aside by hand"
# Seconds to wait for a session that somebody else changes at this moment.
_PATIENCE = 2.0


class Holds:
    """The jobs of an installation, for whoever administers it. Safe between threads.

    `sessions` is their folder, `queues` has one of each kind; `ring` is called with the session
    whose state changed.
    """

    def __init__(
        self,
        sessions: Path,
        queues: Mapping[str, JobQueue],
        *,
        disk: Disk | None = None,
        ring: Callable[[str], None] = lambda session: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._queues = queues
        self._disk = disk or Disk()
        self._ring = ring
        self._clock = clock

    def held(self, kind: str, limit: int) -> list[JobEntry]:
        """The jobs of a kind that are on hold, the oldest first; no more than `limit`."""
        return list(islice(entries(self._queues[kind], "held", self._clock()), limit))

    def describe(self, name: str) -> dict[str, Any]:
        """All that there is to say of one job, as `listing.describe`. Raises NotFound."""
        return describe(self._sessions, self._queues, name)

    def kind_of(self, name: str) -> str:
        """The kind in whose queue that session is on hold, waits or is claimed, or its own kind.

        Raises NotFound.
        """
        session = self._session(name)
        for kind, queue in self._queues.items():
            if queue.hold_reason(name) is not None or queue.has(name):
                return kind
        try:
            kind = str(session.record().get("job"))
        except BadSession:
            kind = ""
        if kind not in self._queues:
            raise NotFound(f"no queue knows {name}")
        return kind

    def hold(self, name: str, reason: str = "") -> None:
        """Set a job aside that waits, or that nobody knows of; or give a hold another reason.

        Raises NotFound, InUse while somebody works on it, BadRequest if it has its verdict.
        """
        queue, reason = self._queues[self.kind_of(name)], reason.strip() or BY_HAND
        claim = queue.claim_one(name)
        if claim is not None:
            claim.hold(reason)
        else:
            with self._locked(name) as session:
                if queue.has(name):
                    raise InUse(f"{name} is being worked on; try again when that is over")
                is_held = queue.hold_reason(name) is not None
                if not is_held and session.record().get("state") in FINAL:
                    raise BadRequest(f"{name} has its verdict; only what waits can be held")
                queue.hold(name, reason)
        log.info("session %s held: %s", name, reason)

    def release(self, name: str) -> None:
        """Let a job that is on hold wait again, for a new run with attempts from the beginning.

        A verdict that it has is kept beside. Raises NotFound if it is not on hold or has no
        session, BadSession if its record cannot be run, InUse while somebody works on it.
        """
        queue = self._queues[self.kind_of(name)]
        if queue.hold_reason(name) is None:
            raise NotFound(f"{name} is not on hold")
        with self._locked(name) as session:
            if queue.has(name) and not queue.waits(name):
                raise InUse(f"{name} is being worked on; try again when that is over")
            _check(session, queue.kind)
            # The record first: a ticket of a session with a verdict would be thrown away.
            session.reopen(self._clock())
            if not queue.release(name):
                raise NotFound(f"{name} is not on hold any more")
        self._ring(name)
        log.info("session %s released", name)

    def drop(self, name: str) -> None:
        """Remove a job that is on hold or waits, with its session.

        Raises NotFound if it does neither, InUse while somebody works on it.
        """
        queue = self._queues[self.kind_of(name)]
        if queue.hold_reason(name) is None and not queue.has(name):
            raise NotFound(f"{name} is neither on hold nor waiting")
        try:
            with self._locked(name) as session:
                # Under its lock nobody begins to work on it.
                if not queue.withdraw(name):
                    raise InUse(f"{name} is being worked on; try again when that is over")
                session.remove()
        except (NotFound, FileNotFoundError):
            queue.withdraw(name)  # of its session, nothing is left
        self._ring(name)
        log.info("session %s dropped", name)

    def _session(self, name: str) -> Session:
        return Session(self._sessions, name, disk=self._disk)

    @contextmanager
    def _locked(self, name: str) -> Iterator[Session]:
        session = self._session(name)
        with session.lock(_PATIENCE) as ours:
            if not ours:
                raise InUse(f"{name} is being changed; try again in a moment")
            yield session


def _check(session: Session, kind: str) -> None:
    """Raise BadSession or NotFound unless the session can run as a job of that kind."""
    record = session.record()
    if record.get("job") != kind:
        raise BadSession(
            f"{session.name} has no record of a job of {kind}: it was damaged; drop it instead"
        )
    session.input_of(record)
