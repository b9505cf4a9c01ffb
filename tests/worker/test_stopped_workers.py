"""Worker processes that are stopped, continued, told to stop and killed, with jobs in hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import wait_until

from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT
from scai.storage.session import Session

pytestmark = pytest.mark.slow

LEASE = 3
# A worker whose engine tells when it begins with a photo, and takes as long as a file is there.
# Photos are red; what it recognises to be ready is grey.
SLOW = """
import pathlib, sys, time
from scai.engines import fake
import workers.image_classification as program

folder = pathlib.Path(sys.argv.pop(1))
real = fake.Engine.infer

def infer(self, batch):
    if batch[0][..., 0].mean() > batch[0][..., 2].mean() + 50:
        (folder / "inside").touch()
        while (folder / "slow").exists():
            time.sleep(0.01)
    return real(self, batch)

fake.Engine.infer = infer
program.main()
"""

Run = Callable[..., subprocess.Popen]


@pytest.fixture
def run(tmp_path: Path, fake_models: Path, sessions: Path, queue: DirectoryQueue) -> Iterator[Run]:
    """Starts a worker process; `slow` ones are as SLOW says, and log into the file `slow.log`."""
    processes: list[subprocess.Popen] = []

    def run(*flags: str, slow: bool, **settings: str) -> subprocess.Popen:
        program = ["-c", SLOW, str(tmp_path)] if slow else ["-m", "workers.image_classification"]
        with (tmp_path / ("slow.log" if slow else "other.log")).open("a") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    *program,
                    f"--sesspath={sessions}",
                    f"--poolingdir={queue.pool}",
                    f"--config={fake_models}",
                    *flags,
                ],
                cwd=ROOT,
                env={
                    **os.environ,
                    "SCAI_LEASE": str(LEASE),
                    "SCAI_READY_WITHIN": "3600",
                    "PYTHONPATH": str(ROOT),
                    **settings,
                },
                stderr=log,
            )
        processes.append(process)
        return process

    yield run
    (tmp_path / "slow").unlink(missing_ok=True)
    for process in processes:
        process.kill()
        process.wait()


def contents(session: Session) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in session.path.iterdir()}


def test_a_worker_that_was_stopped_for_longer_than_a_lease_changes_nothing_when_it_goes_on(
    run: Run, submit: Callable[..., Session], tmp_path: Path, queue: DirectoryQueue
) -> None:
    # Given a worker that stands still with jobs in its engine
    (tmp_path / "slow").touch()
    stopped = run(slow=True)
    made = [submit() for _ in range(5)]
    wait_until((tmp_path / "inside").exists, 60)
    stopped.send_signal(signal.SIGSTOP)
    claimed = set(queue.claimed())
    assert claimed
    # When another worker is there
    run(slow=False)
    # Then all jobs are done, without a restart of the first one
    wait_until(lambda: all(s.state == "complete" for s in made) and not queue.claims(), 90)
    verdicts = {session.name: contents(session) for session in made}
    # And when the first one goes on, nothing changes
    (tmp_path / "slow").unlink()
    stopped.send_signal(signal.SIGCONT)
    log = tmp_path / "slow.log"
    wait_until(lambda: log.read_text().count("its claim was lost") >= 1, 60)
    stopped.terminate()
    assert stopped.wait(60) == 0
    assert {session.name: contents(session) for session in made} == verdicts
    assert queue.held() == {} and len(queue) == 0


@pytest.mark.parametrize("mode", ["runtime", "job"])
def test_stops_never_use_up_the_attempts_of_a_good_photo(
    run: Run, submit: Callable[..., Session], tmp_path: Path, queue: DirectoryQueue, mode: str
) -> None:
    """Each time it is in an inference that takes longer than the grace of the stop."""
    (tmp_path / "slow").touch()
    session = submit()
    flags = [f"--runningmode={mode}", f"--sessname={session.name}"]
    for _ in range(4):
        (tmp_path / "inside").unlink(missing_ok=True)
        worker = run(*flags, slow=True)
        wait_until((tmp_path / "inside").exists, 60)
        assert session.record()["attempts"] == 1
        worker.terminate()
        wait_until(lambda: session.record()["attempts"] == 0, 60)
        worker.kill()
        worker.wait()
        assert queue.recover() == 1
    (tmp_path / "slow").unlink()
    run(*flags, slow=True)
    wait_until(lambda: session.state == "complete", 60)
    assert queue.held() == {}


def test_a_process_of_job_mode_that_hangs_past_the_deadline_ends_with_its_failure(
    run: Run, submit: Callable[..., Session], tmp_path: Path, queue: DirectoryQueue
) -> None:
    (tmp_path / "slow").touch()
    session = submit()
    flags = ["--runningmode=job", f"--sessname={session.name}"]
    worker = run(*flags, slow=True, SCAI_JOB_DEADLINE="0.5")
    assert worker.wait(60) == 0
    assert (session.result()["code"], session.result()["stage"]) == ("deadline", "inference")
    assert queue.claims() == [] and len(queue) == 0


def test_kills_use_them_up(
    run: Run, submit: Callable[..., Session], tmp_path: Path, queue: DirectoryQueue
) -> None:
    (tmp_path / "slow").touch()
    session = submit()
    for death in (1, 2, 3):
        (tmp_path / "inside").unlink(missing_ok=True)
        worker = run(slow=True)
        wait_until((tmp_path / "inside").exists, 60)
        assert session.record()["attempts"] == death
        worker.kill()
        worker.wait()
        assert queue.recover() == 1
    run(slow=False)
    wait_until(lambda: session.state == "failure" and not queue.claims(), 60)
    assert session.result()["code"] == "worker_died"
    assert session.name in queue.held()
