"""Jobs put into queues and taken out of them, also in processes of their own: it loads little."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from scai.queues.base import Job, JobQueue
from scai.queues.directory import DirectoryQueue
from scai.settings import Settings
from scai.storage.session import new_name

# The time of day in tests that have a clock of their own, in epoch seconds.
NOW = 1_790_000_052.0


def names(count: int, start: float = 1_790_000_000.0) -> list[str]:
    return [new_name(start + n) for n in range(count)]


def wait_in(settings: Settings, kind: str, *ages: float, now: float = NOW) -> None:
    """Let jobs wait in the queue of a kind that came so many seconds before `now`."""
    queue = DirectoryQueue(settings.pool(kind), kind, doorbell=False)
    for age in ages:
        queue.put(Job(new_name(now - age), kind))


def put(queue: JobQueue, *sessions: str) -> None:
    for name in sessions:
        queue.put(Job(name, queue.kind))


def claim_sessions(queue: JobQueue, limit: int = 10, timeout: float = 0.0) -> list[str]:
    return [claim.job.session for claim in queue.claim(limit, timeout)]


def sessions_in_work(queue: JobQueue) -> list[str]:
    """The sessions that are claimed by anybody."""
    return sorted(queue.claimed())


def claim_all(pool: str, kind: str, results: multiprocessing.Queue[list[str]]) -> None:
    """Take all jobs of a kind from the folder `pool`, and tell which they were."""
    queue = DirectoryQueue(Path(pool), kind, doorbell=False)
    got: list[str] = []
    while claims := queue.claim(7, 0):
        for claim in claims:
            got.append(claim.job.session)
            claim.done()
    queue.close()
    results.put(got)
