"""A process that claims jobs from a queue folder through the API of the queue."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.children.child import serve
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.storage.disk import Disk
from scai.storage.session import new_name

KIND = "image_classification"
BATCH = 8
# The queue reuses a listing for up to 20 times as long as it took to read. A longer run therefore
# includes more than one listing. The limit is in seconds.
_LISTINGS = 25
_LONGEST = 40.0


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Run the action "do" on the folder "pool"; without "do", import everything and warm up."""
    if "do" not in question:
        with tempfile.TemporaryDirectory() as folder:
            drain(Path(folder))
        return {}
    pool = Path(question["pool"])
    if question["do"] == "drain":
        return drain(pool)
    if question["do"] == "wait":
        return wait(pool, int(question["tickets"]), float(question["timeout"]))
    return depth(pool, float(question["seconds"]))


def drain(pool: Path) -> dict[str, Any]:
    """Claim and finish all jobs; returns the times of start and end, and the number of jobs."""
    with closing(_queue(pool)) as queue:
        begin, count = time.monotonic(), 0
        while claims := queue.claim(BATCH, 0):
            for claim in claims:
                claim.done()
            count += len(claims)
        return {"begin": begin, "end": time.monotonic(), "count": count}


def wait(pool: Path, tickets: int, timeout: float) -> dict[str, Any]:
    """Claim `count` jobs, for at most `timeout` seconds; returns the time of each claim."""
    at: dict[str, float] = {}
    deadline = time.monotonic() + timeout
    with closing(_queue(pool)) as queue:
        while len(at) < tickets and time.monotonic() < deadline:
            claims = queue.claim(BATCH, 1.0)
            now = time.monotonic()
            for claim in claims:
                at[claim.job.session] = now
                claim.done()
    return {"at": at}


def depth(pool: Path, seconds: float) -> dict[str, Any]:
    """Measure the milliseconds of a claim of several jobs at constant depth of the queue.

    `first` is the first claim of a new queue object, which has to read the folder; `median` and
    `longest` are of all later ones. `mean` is of all, the first included. Each batch is finished
    and as many new tickets put in its place, which is not counted.
    """
    disk = Disk("off")
    with closing(DirectoryQueue(pool, KIND, doorbell=False, disk=disk)) as queue:
        durations: list[float] = []
        end = float("inf")
        while len(durations) < 2 or time.perf_counter() < end:
            before = time.perf_counter()
            claims = queue.claim(BATCH, 0)
            after = time.perf_counter()
            durations.append(after - before)
            if len(durations) == 1:
                end = after + max(seconds, min(_LONGEST, _LISTINGS * durations[0]))
            for claim in claims:
                claim.done()
                queue.put(Job(new_name(time.time()), KIND))
    first, *later = (one * 1000 for one in durations)
    return {
        "first": first,
        "median": statistics.median(later),
        "longest": max(later),
        "mean": (first + sum(later)) / len(durations),
        "batches": len(durations),
    }


def _queue(pool: Path) -> DirectoryQueue:
    return DirectoryQueue(pool, KIND, disk=Disk("off"))


if __name__ == "__main__":
    serve(answer)
