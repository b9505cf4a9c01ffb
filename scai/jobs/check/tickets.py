"""The queues' side of a check: claims of the dead, strays, tickets and holds without a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from scai.jobs.check.finding import Finding
from scai.queues.base import JobQueue
from scai.storage.session import arrival_time


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
    """Tickets and holds whose sessions are not there, if they came `settle` seconds ago."""

    def is_lost(name: str) -> bool:
        arrived = arrival_time(name)
        is_young = arrived is not None and abs(now - arrived) < settle
        return not is_young and not os.path.lexists(sessions / name)

    # Asked again at last: it may have gone with its session since the list was made.
    for name in filter(is_lost, sorted(queue.waiting())):
        if not queue.waits(name):
            continue
        withdraw = partial(queue.withdraw, name, keep_hold=True)
        yield Finding("no_session", name, "waits and has no session", queue.kind, withdraw)
    for name in filter(is_lost, sorted(queue.held_sessions())):
        if name not in queue.held_sessions():
            continue
        drop = partial(queue.drop_hold, name)
        yield Finding("no_session", name, "is on hold and has no session", queue.kind, drop)
