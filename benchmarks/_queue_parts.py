"""The parts of the queue benchmark; each adds its rows, curves and ratios to the report.

Files stay until the end where possible: ext4 without a journal creates files many times slower for
minutes after files nearby were removed.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import _sessions
from benchmarks._photo import photo
from benchmarks.children.child import Child
from benchmarks.children.queue import BATCH, KIND
from benchmarks.harness import interleave, percentile
from benchmarks.report import Report
from scai.jobs.retention import purge
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT
from scai.storage.disk import POLICIES, Disk
from scai.storage.session import FINAL, Session, Upload, new_name

THREADS = (1, 4, 16)
PROCESSES = (1, 2, 4)
_CHILD = "benchmarks.children.queue"
# Uploads for one figure; each is a photo on the disk until the end.
_MAX_UPLOADS = 800
# Disk space of a session: bytes, files and folders.
_SESSION_BYTES, _SESSION_FILES = 16_384, 4


def uploads(report: Report, rounds: int, work: Path, seconds: float) -> None:
    """Measure uploads: sessions with a photo of 100 kB, put into the queue, at each durability."""
    data = photo()
    places = iter(range(1_000_000))

    def rate(policy: str, threads: int) -> float:
        place, disk = work / str(next(places)), Disk(policy)
        root = place / "session"
        root.mkdir(parents=True)
        queue = DirectoryQueue(place / "pool", KIND, doorbell=False, disk=disk)
        end = time.perf_counter() + seconds

        def client() -> int:
            count = 0
            while time.perf_counter() < end and count * threads < _MAX_UPLOADS:
                _upload(root, queue, data, disk)
                count += 1
            return count

        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            count = sum(each.result() for each in [pool.submit(client) for _ in range(threads)])
        return count / (time.perf_counter() - start)

    contenders = {
        f"uploads, durability {policy}: {_count(threads, 'thread')}": partial(rate, policy, threads)
        for policy in POLICIES
        for threads in THREADS
    }
    values_by_name = interleave(rounds, contenders)
    _add(report, values_by_name, "uploads/s")
    for policy in POLICIES:
        names = [f"uploads, durability {policy}: {_count(t, 'thread')}" for t in THREADS]
        report.series[f"durability {policy}"] = {
            "x": list(THREADS),
            "y": [report.row(name).median for name in names],
            "xlabel": "threads",
            "ylabel": "uploads/s",
        }


def claims(report: Report, rounds: int, work: Path, tickets: int) -> None:
    """Measure claims: 1 to 4 processes claim `tickets` jobs, 8 at a time, and finish them."""
    children = [Child(_CHILD, {}) for _ in range(max(PROCESSES))]
    pools = [work / str(number) for number in range(rounds * len(PROCESSES))]
    for pool in pools:
        _sessions.tickets(pool, tickets)

    def rate(processes: int) -> float:
        pool = pools.pop()
        crew = children[:processes]
        for child in crew:
            child.tell({"do": "drain", "pool": str(pool)})
        answers = [child.hear() for child in crew]
        count: int = sum(answer["count"] for answer in answers)
        if count != tickets:
            raise click.ClickException(f"expected {tickets} claims, got {count}")
        seconds: float = max(a["end"] for a in answers) - min(a["begin"] for a in answers)
        return count / seconds

    try:
        values_by_name = interleave(
            rounds,
            {
                f"claims: {_count(processes, 'process')}": partial(rate, processes)
                for processes in PROCESSES
            },
        )
    finally:
        for child in children:
            child.close()
    _add(report, values_by_name, "jobs/s")


def pick_up(report: Report, rounds: int, work: Path, tickets: int) -> None:
    """Measure pick-up: from the creation of a ticket until an idle process has claimed it."""
    random.seed(1)

    def create(pool: Path, name: str) -> None:
        (pool / name).touch()

    def rename(pool: Path, name: str) -> None:
        os.rename(work / "aside", pool / name)

    def delays(child: Child, put: Callable[[Path, str], None]) -> list[float]:
        pool = work / "pool"
        queue = DirectoryQueue(pool, KIND, doorbell=False)
        child.tell({"do": "wait", "pool": str(pool), "tickets": tickets + 1, "timeout": 120})
        queue.put(Job(new_name(time.time()), KIND))
        while len(queue) or queue.claims():
            time.sleep(0.02)
        at: dict[str, float] = {}
        for _ in range(tickets):
            time.sleep(random.uniform(0.005, 0.03))
            name = new_name(time.time())
            (work / "aside").touch()
            at[name] = time.monotonic()
            put(pool, name)
        claim_times = child.hear()["at"]
        queue.close()
        shutil.rmtree(pool)
        return [
            (claim_times.get(name, float("inf")) - put_at) * 1000 for name, put_at in at.items()
        ]

    child = Child(_CHILD, {})
    try:
        ways = {"ticket created": create, "ticket renamed": rename}
        values_by_name = interleave(
            rounds, {n: partial(delays, child, put) for n, put in ways.items()}
        )
    finally:
        child.close()
    for name, values in values_by_name.items():
        for share in (0.5, 0.99):
            _add(
                report,
                {
                    f"pick-up, {name}: p{share * 100:.0f}": [
                        percentile(delay, share) for delay in values
                    ]
                },
                "ms",
            )
        report.ratio(
            f"pick-up, {name}: p99 in ms",
            report.row(f"pick-up, {name}: p99").median,
            20,
            5,
            at_most=True,
            note=f"{tickets} tickets a round",
        )


def depth(report: Report, rounds: int, work: Path, depths: list[int], seconds: float) -> None:
    """Measure depth: the cost of a claim while many tickets wait."""
    texts = {count: f"{count:,}" for count in depths}
    for count in depths:
        _sessions.tickets(work / str(count), count)
    child = Child(_CHILD, {})
    question: dict[str, Any] = {"do": "depth", "seconds": seconds}
    try:
        values_by_name = interleave(
            rounds,
            {
                texts[count]: partial(child.ask, {**question, "pool": str(work / str(count))})
                for count in depths
            },
        )
    finally:
        child.close()
    costs = {
        "first": f"first claim of {BATCH} of a new process",
        "median": f"claim of {BATCH}, median",
        "mean": f"claim of {BATCH}, mean with listings",
        "longest": f"claim of {BATCH}, longest after the first",
    }
    for key, text in costs.items():
        for name, answers in values_by_name.items():
            _add(report, {f"{text}: {name} wait": [a[key] for a in answers]}, "ms")
        report.series[text] = {
            "x": depths,
            "y": [report.row(f"{text}: {texts[count]} wait").median for count in depths],
            "xlabel": "waiting tickets",
            "ylabel": "ms a claim",
            "xscale": "log",
            "yscale": "log",
        }
    least, most = texts[depths[0]], texts[depths[-1]]
    bar, aim = (2.0, 1.2) if depths[-1] >= 1_000_000 else (None, None)
    for text in (costs["mean"], costs["median"]):
        value = report.row(f"{text}: {most} wait").median
        value /= report.row(f"{text}: {least} wait").median
        report.ratio(f"{text}: {most} / {least} waiting", value, bar, aim, at_most=True)


def start_up(report: Report, rounds: int, work: Path, tickets: int) -> None:
    """Measure start-up: from a worker's start to its first verdict while many tickets wait."""
    root, disk = work / "session", Disk("off")
    root.mkdir()

    def begin(count: int) -> float:
        pool = work / str(count)
        queue = DirectoryQueue(pool, KIND, doorbell=False, disk=disk)
        # It is older than all others, so it is claimed first.
        session = _upload(root, queue, photo(), disk, before=86_400)
        command = [sys.executable, "-m", f"workers.{KIND}", f"--poolingdir={pool}"]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, f"--sesspath={root}", "--runningmode=runtime"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return _until_final(session, start, process, 120)
        finally:
            process.kill()
            process.wait()
            queue.close()

    for count in (0, tickets):
        _sessions.tickets(work / str(count), count)
    begin(0)  # the first start ever reads cold files and may try out engines

    names = {
        f"worker's start to first verdict: {c:,} wait": partial(begin, c) for c in (0, tickets)
    }
    values_by_name = interleave(rounds, names)
    _add(report, values_by_name, "s")
    name = list(names)[1]
    report.ratio(f"{name}, in s", report.row(name).median, 5, None, at_most=True)


def purges(report: Report, rounds: int, work: Path, sessions: int) -> None:
    """Measure purge: removing old sessions, against shutil.rmtree of the same folders."""
    disk = os.statvfs(work)
    files = 2 * rounds * sessions * _SESSION_FILES
    room = disk.f_frsize * disk.f_bavail > 3 * rounds * sessions * _SESSION_BYTES
    ahead = room and (disk.f_files == 0 or disk.f_favail > 2 * files)
    roots = [work / str(number) for number in range(2 * rounds)]
    if ahead:
        for root in roots:
            _sessions.finished_sessions(root, sessions)

    def ours(root: Path) -> None:
        queue = DirectoryQueue(work / "pool", KIND, doorbell=False, disk=Disk("off"))
        outcome = purge(root, [queue], 3600, now=time.time() + 7200)
        queue.close()
        if len(outcome.removed) != sessions:
            raise click.ClickException(f"expected {sessions} purged, got {len(outcome.removed)}")

    def time_removal(remove: Callable[[Path], object]) -> float:
        root = roots.pop()
        if not ahead:
            _sessions.finished_sessions(root, sessions)
        start = time.perf_counter()
        remove(root)
        return time.perf_counter() - start

    ways = {
        "purge": partial(time_removal, ours),
        "rmtree of the same": partial(time_removal, shutil.rmtree),
    }
    values_by_name = interleave(
        rounds, {f"{sessions:,} sessions: {n}": way for n, way in ways.items()}
    )
    _add(report, values_by_name, "s")
    purge_time, plain_time = (report.row(name).median for name in values_by_name)
    report.ratio(f"{sessions:,} sessions: purge / rmtree", purge_time / plain_time, at_most=True)


def _upload(
    root: Path, queue: DirectoryQueue, data: bytes, disk: Disk, before: float = 0
) -> Session:
    """Create a session and its ticket, dated back by that many seconds."""

    def now() -> float:
        return time.time() - before

    upload = Upload(data, ".jpg", "photo.jpg")
    return Session.create(root, KIND, upload, queue=queue, now=now, disk=disk)


def _until_final(
    session: Session, start: float, process: subprocess.Popen[bytes], longest: float
) -> float:
    """Wait for the session's verdict; returns seconds since `started`. Raises ClickException."""
    while session.state not in FINAL:
        if process.poll() is not None or time.perf_counter() - start > longest:
            raise click.ClickException("the worker ended or took too long for its first verdict")
        time.sleep(0.002)
    return time.perf_counter() - start


def _add(report: Report, values_by_name: dict[str, list[Any]], unit: str) -> None:
    for name, values in values_by_name.items():
        for value in values:
            report.add(name, unit, value)


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}{'es' if noun[-1] == 's' else 's'}"
