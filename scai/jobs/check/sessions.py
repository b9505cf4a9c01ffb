"""The sessions' side of a check: does the standing of each job fit the record of its session?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scai.errors import BadSession, NotFound
from scai.jobs.check.finding import Finding
from scai.queues.base import Job, JobQueue
from scai.storage import damaged
from scai.storage.disk import Disk
from scai.storage.session import FINAL, NAME, Session

RESULT_REASON = "its result is damaged; release it to run it anew"


@dataclass(frozen=True)
class Standings:
    """The kinds in whose queues one job waits, is claimed, and is on hold."""

    waiting: frozenset[str] = frozenset()
    claimed: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Fault:
    """What is wrong with a session, and what to do about it under its lock."""

    code: str
    about: str
    kind: str = ""
    act: Callable[[], object] | None = None


class SessionCheck:
    """Checks the sessions in a folder against the queues of all kinds.

    A session that changed less than `settle` seconds before `now` (epoch seconds) may still be on
    its way, if a foreign client makes it.
    """

    def __init__(
        self,
        sessions: Path,
        queues: Mapping[str, JobQueue],
        disk: Disk,
        now: float,
        settle: float,
    ) -> None:
        self._root = sessions
        self._queues = queues
        self._disk = disk
        self._now = now
        self._settle = settle

    def findings(self) -> Iterator[Finding]:
        """What is wrong with any of them."""
        standings = self._all_standings()
        with os.scandir(self._root) as entries:
            names = sorted(entry.name for entry in entries if NAME.fullmatch(entry.name))
        for name in names:
            session = Session(self._root, name, disk=self._disk)
            try:
                if self._fault(session, standings.get(name, Standings())) is None:
                    continue
                # What was read of the queues is old by now.
                fault = self._under_lock(session)
            except OSError as error:
                about = f"cannot be read: {error.strerror or error}"
                yield Finding("unreadable", name, about)
                continue
            if fault is not None:
                repair = partial(self._repair, session, fault.code) if fault.act else None
                yield Finding(fault.code, name, fault.about, fault.kind, repair)

    def _all_standings(self) -> dict[str, Standings]:
        waiting: dict[str, set[str]] = {}
        claimed: dict[str, set[str]] = {}
        held: dict[str, set[str]] = {}
        for kind, queue in self._queues.items():
            for table, sessions in (
                (waiting, queue.waiting()),
                (claimed, queue.claimed()),
                (held, queue.held_sessions()),
            ):
                for name in sessions:
                    table.setdefault(name, set()).add(kind)
        empty: set[str] = set()
        return {
            name: Standings(
                *(frozenset(table.get(name, empty)) for table in (waiting, claimed, held))
            )
            for name in {*waiting, *claimed, *held}
        }

    def _standings(self, name: str) -> Standings:
        """Where that job is at this moment."""
        waiting, claimed, held = set(), set(), set()
        for kind, queue in self._queues.items():
            # Twice, as `has` does: one that is given back between two looks is at neither place.
            for _ in range(2):
                if queue.waits(name):
                    waiting.add(kind)
                if name in queue.claimed():
                    claimed.add(kind)
            if name in queue.held_sessions():
                held.add(kind)
        return Standings(frozenset(waiting), frozenset(claimed), frozenset(held))

    def _under_lock(self, session: Session) -> _Fault | None:
        try:
            with session.lock() as ours:
                # Who holds it knows of it, and has not died.
                return self._fault(session, self._standings(session.name)) if ours else None
        except NotFound:
            return self._fault(session, self._standings(session.name))

    def _repair(self, session: Session, code: str) -> None:
        """Do what the fault of that code asks for, if it is still there."""
        try:
            with session.lock() as ours:
                fault = self._fault(session, self._standings(session.name)) if ours else None
                if fault is not None and fault.code == code and fault.act is not None:
                    fault.act()
        except NotFound:
            fault = self._fault(session, self._standings(session.name))
            if fault is not None and fault.code == code and fault.act is not None:
                fault.act()

    def _fault(self, session: Session, standings: Standings) -> _Fault | None:
        try:
            record = session.record()
        except NotFound:
            return self._without_record(session, standings)
        except BadSession as error:
            if standings.claimed:
                return None  # whoever works on it comes to the same end
            act = partial(self._give_up, session, standings, error)
            kind = min(standings.waiting | standings.held, default="")
            return _Fault("damaged", f"has a damaged record: {error.message}", kind, act)
        if record.get("state") in FINAL:
            return self._final_fault(session, record, standings)
        return self._open_fault(session, record, standings)

    def _without_record(self, session: Session, standings: Standings) -> _Fault | None:
        try:
            is_young = abs(session.age(self._now)) < self._settle
        except NotFound:
            return None  # removed meanwhile
        if standings.claimed or is_young:
            return None
        act = partial(self._set_aside, session, standings)
        return _Fault("no_record", "has no record", min(standings.waiting, default=""), act)

    def _final_fault(
        self, session: Session, record: Mapping[str, Any], standings: Standings
    ) -> _Fault | None:
        name = session.name
        for kind in standings.waiting:
            withdraw = partial(self._queues[kind].withdraw, name, keep_hold=True)
            return _Fault("has_verdict", "waits and has its verdict", kind, withdraw)
        kind = str(record.get("job"))
        is_readable = session.has_readable_result()
        if not is_readable and not standings.held:
            queue = self._queues.get(kind)
            act = None if queue is None else partial(queue.hold, name, RESULT_REASON)
            return _Fault("damaged", "has a damaged result", kind, act)
        if is_readable and record.get("state") == "complete":
            for kind in standings.held:
                drop = partial(self._queues[kind].drop_hold, name)
                return _Fault("has_verdict", "is on hold and has its result", kind, drop)
        return None

    def _open_fault(
        self, session: Session, record: Mapping[str, Any], standings: Standings
    ) -> _Fault | None:
        """The fault of a session without a verdict."""
        name, own = session.name, str(record.get("job"))
        strange = min((standings.waiting | standings.held) - {own}, default="")
        if own not in self._queues:
            if strange or standings.claimed:
                return None  # a worker will say so
            return _Fault("no_kind", f"asks for {own[:60]!r}, which is not installed")
        if strange:
            act = partial(self._move, name, own, strange, standings)
            return _Fault(
                "wrong_queue", f"is in the queue of {strange}, not of {own}", strange, act
            )
        queue = self._queues[own]
        if standings.waiting and standings.held:
            withdraw = partial(queue.withdraw, name, keep_hold=True)
            return _Fault("double", "waits and is on hold", own, withdraw)
        if standings.waiting and standings.claimed:
            act = partial(self._end_double, name, queue)
            return _Fault("double", "waits and is claimed", own, act)
        if not (standings.waiting or standings.held or standings.claimed):
            if abs(session.age(self._now)) < self._settle:
                return None
            put = partial(queue.put, Job(name, own))
            return _Fault("lost", "has neither a ticket nor a verdict", own, put)
        return None

    def _give_up(self, session: Session, standings: Standings, error: BadSession) -> None:
        """Fail a session whose record cannot be read, and hold it; the damaged file is kept."""
        for kind in standings.waiting | standings.held:
            self._queues[kind].hold(session.name, error.message)
        session.fail(error)
        for kind in standings.waiting:
            self._queues[kind].withdraw(session.name, keep_hold=True)

    def _set_aside(self, session: Session, standings: Standings) -> None:
        """Put what is in the place of a session out of the way; its tickets go after it."""
        damaged.set_aside(session.path, self._disk)
        for kind in standings.waiting | standings.held:
            self._queues[kind].withdraw(session.name)

    def _move(self, name: str, own: str, strange: str, standings: Standings) -> None:
        """Let a job be where it was, but in the queue of its own kind."""
        target, source = self._queues[own], self._queues[strange]
        reason = source.hold_reason(name)
        if not (own in standings.waiting or own in standings.held or own in standings.claimed):
            if reason is None:
                target.put(Job(name, own))
            else:
                target.hold(name, reason)
        source.withdraw(name)

    def _end_double(self, name: str, queue: JobQueue) -> None:
        """Remove the ticket of a job that is claimed; if it is not any more, it waits on."""
        if queue.withdraw(name, keep_hold=True):
            queue.put(Job(name, queue.kind))
