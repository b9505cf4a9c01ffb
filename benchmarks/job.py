"""One photo in job mode, from the start of the process to its verdict.

It is compared with a resident worker, with the start of Python alone, and with the import of
TensorFlow, which job mode avoids.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from benchmarks._machine import file_system
from benchmarks._photo import photo
from benchmarks.harness import interleave, progress
from benchmarks.report import Report
from scai.queues.base import Ticket
from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session, Upload

KIND = "image_classification"
JOB, RESIDENT = "job mode, process start to verdict", "resident worker, ticket to verdict"
BAR, AIM = 1.0, 0.4
# Seconds between two checks of the session, and the longest wait for its verdict.
_LOOK = 0.002
_LONGEST = 60.0


def run(rounds: int, quick: bool, out: Path) -> Report:
    """Run the benchmark in a temporary folder below `out`."""
    report = Report("job", "One photo of 640x480 pixels, 100 kB, with the bundled model")
    out.mkdir(parents=True, exist_ok=True)
    report.machine["file_system"] = file_system(out)
    work = Path(tempfile.mkdtemp(prefix="job-", dir=out))
    try:
        _measure(report, rounds, quick, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report.ratio(f"{JOB}, in s", report.row(JOB).median, BAR, AIM, at_most=True)
    report.notes.append("a round's value is the median of its runs; caches are warm")
    return report


def _measure(report: Report, rounds: int, quick: bool, work: Path) -> None:
    alone, place = Place(work / "job"), Place(work / "resident")
    with place.resident():
        contenders: dict[str, tuple[Callable[[], float], int]] = {
            JOB: (alone.job, 3 if quick else 7),
            RESIDENT: (place.visit, 10 if quick else 40),
            "python -c pass": (partial(_python, "pass"), 3 if quick else 7),
            'python -c "import tensorflow"': (partial(_python, "import tensorflow"), 1),
        }
        for name, (once, _) in contenders.items():
            progress(f"warming up: {name}")
            once()
        calls = {name: partial(_median, once, times) for name, (once, times) in contenders.items()}
        for name, values in interleave(rounds, calls).items():
            for value in values:
                report.add(name, "s", value)


class TimedQueue(DirectoryQueue):
    """A queue that records when its last ticket was created."""

    placed_at = 0.0

    def place(self, session: str) -> Ticket:
        self.placed_at = time.perf_counter()
        return super().place(session)


class Place:
    """An installation's folders: sessions and one queue."""

    def __init__(self, folder: Path) -> None:
        self._sessions, self._pool = folder / "session", folder / "pool"
        self._sessions.mkdir(parents=True)
        self._disk = Disk()
        self._queue = TimedQueue(self._pool, KIND, doorbell=False, disk=self._disk)

    def job(self) -> float:
        """Measure seconds from the start of a process for one session to its verdict."""
        session, _ = self._upload()
        start = time.perf_counter()
        process = self._worker("--runningmode=job", f"--sessname={session.name}")
        try:
            return self._verdict(session, process) - start
        finally:
            process.wait()

    def visit(self) -> float:
        """Measure seconds from a session's ticket to its verdict by the resident worker."""
        session, put_at = self._upload()
        return self._verdict(session, self._process) - put_at

    @contextmanager
    def resident(self) -> Iterator[None]:
        """Run a resident worker for the block; it is warm when the block begins."""
        self._process = self._worker("--runningmode=runtime")
        try:
            self.visit()
            yield
        finally:
            self._process.terminate()
            self._process.wait()
            self._queue.close()

    def _upload(self) -> tuple[Session, float]:
        """Create a session and its ticket; returns the session and the time of the ticket."""
        upload = Upload(photo(), ".jpg", "photo.jpg")
        session = Session.create(self._sessions, KIND, upload, queue=self._queue, disk=self._disk)
        return session, self._queue.placed_at

    def _worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"workers.{KIND}", f"--sesspath={self._sessions}"]
        command += [f"--poolingdir={self._pool}", *arguments]
        return _start(command)

    def _verdict(self, session: Session, process: subprocess.Popen[bytes]) -> float:
        """Wait for the verdict; returns its time. Raises click.ClickException without one."""
        end = time.perf_counter() + _LONGEST
        while (state := session.state) not in FINAL:
            if time.perf_counter() > end or process.poll() not in (None, 0):
                raise click.ClickException(f"{session.name}: no verdict")
            time.sleep(_LOOK)
        at = time.perf_counter()
        if state != "complete":
            raise click.ClickException(f"{session.name}: {session.result().get('message')}")
        return at


def _python(code: str) -> float:
    """Measure the seconds of a Python process, start and end included."""
    start = time.perf_counter()
    if _start([sys.executable, "-c", code]).wait():
        raise click.ClickException(f"python -c {code!r} failed")
    return time.perf_counter() - start


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SCAI_LOGLEVEL": "ERROR", "CUDA_VISIBLE_DEVICES": ""}
    devnull = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=devnull, stdout=devnull, stderr=devnull
    )


def _median(once: Callable[[], float], times: int) -> float:
    return statistics.median(once() for _ in range(times))
