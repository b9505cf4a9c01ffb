"""The queues' side of a check: claims of the dead, strays, tickets and holds without a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from scai.errors import ScaiError
from scai.jobs.check.finding import Finding
from scai.queues.base import JobQueue
from scai.storage.rights import is_there
from scai.storage.session import NAME, arrival_time


def abandoned_claims(queue: JobQueue) -> Iterator[Finding]:
    """Claims whose owners are dead: their jobs wait for nobody."""
    # The claims first: an owner is there before its claims.
    claims = queue.claims()
    living = {str(worker["id"]) for worker in queue.workers()} if claims else set()
    for claim in claims:
        if claim.owner not in living:
            about = "is claimed by an owner that is gone"
            yield Finding("abandoned", claim.session, about, queue.kind, queue.recover)


def strays(queue: JobQueue, now: float) -> Iterator[Finding]:
    """What belongs to no job and to no living claimer."""
    for stray in queue.strays(now):
        about = f"is {stray.about}"
        yield Finding("stray", stray.path, about, queue.kind, partial(queue.tidy, stray))


def without_session(
    queue: JobQueue, sessions: Path, now: float, settle: float
) -> Iterator[Finding]:
    """Tickets and holds whose sessions are not there, if they came `settle` seconds ago.

    Where there is no session at all, all of them are one finding, which a person must look at: a
    disk that is not mounted looks the same. Raises OSError.
    """

    def is_lost(name: str) -> bool:
        arrived = arrival_time(name)
        is_young = arrived is not None and abs(now - arrived) < settle
        return not is_young and not is_there(sessions / name)

    # Asked again at last: it may have gone with its session since the list was made.
    waiting = [name for name in filter(is_lost, sorted(queue.waiting())) if queue.waits(name)]
    held = [
        name
        for name in filter(is_lost, sorted(queue.held_sessions()))
        if name in queue.held_sessions()
    ]
    if (waiting or held) and not _has_any(sessions):
        about = (
            f"holds no session, though jobs are there ({len(waiting)} waiting, {len(held)} on "
            "hold); mount its disk if it has one, or drop these jobs"
        )
        yield Finding("no_sessions", str(sessions), about, queue.kind)
        return
    for name in waiting:
        withdraw = partial(_end, sessions, partial(queue.withdraw, name, keep_hold=True))
        yield Finding("no_session", name, "waits and has no session", queue.kind, withdraw)
    for name in held:
        drop = partial(_end, sessions, partial(queue.drop_hold, name))
        yield Finding("no_session", name, "is on hold and has no session", queue.kind, drop)


def _end(sessions: Path, act: Callable[[], object]) -> None:
    """End a job without a session, unless all sessions are gone meanwhile."""
    if not _has_any(sessions):
        raise ScaiError(f"{sessions} holds no session any more; is its disk mounted?")
    act()


def _has_any(sessions: Path) -> bool:
    """Whether there is any session. Raises OSError if the disk does not tell."""
    try:
        with os.scandir(sessions) as entries:
            return any(NAME.fullmatch(entry.name) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False
