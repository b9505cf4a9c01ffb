"""Job mode's runner, one turn at a time, without a process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.helpers import KIND

from scai.programs.job_runner import Failing, JobRunner
from scai.queues.base import Job
from scai.settings import Settings
from scai.storage.session import Session

Make = Callable[..., Session]


OTHER = "object_detection"
NAMES = [f"d-20260101-{number:040x}" for number in range(1, 41)]


def runner(tmp_path: Path, sessions: Path, *kinds: str, max_jobs: int = 2) -> JobRunner:
    pools = tmp_path / "pooling"
    settings = Settings(
        sessionpath=sessions, icpoolpath=pools / KIND, odpoolpath=pools / OTHER, max_jobs=max_jobs
    )
    return JobRunner(settings, list(kinds or [KIND]))


class Process:
    """Stands for the process of one session."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


class Started:
    """The processes that a runner has begun, oldest first, each under its session's name."""

    def __init__(self, jobs: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs, self.names = jobs, list[str]()
        self._processes: dict[str, Process] = {}
        monkeypatch.setattr(jobs, "_start", self._start)

    def _start(self, name: str, kind: str) -> Any:
        self.names.append(name)
        self._processes[name] = Process()
        return self._processes[name]

    def end(self, name: str, code: int = 0) -> None:
        """Its process ends; one that ends well has taken the ticket."""
        for queue in self.jobs._queues.values():
            if code == 0 and (claim := queue.claim_one(name)) is not None:
                claim.done()
        self._processes[name].code = code


@pytest.fixture
def started(
    tmp_path: Path, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Started]]:
    made: list[JobRunner] = []

    def begin(*kinds: str, max_jobs: int = 2) -> Started:
        made.append(runner(tmp_path, sessions, *kinds, max_jobs=max_jobs))
        return Started(made[-1], monkeypatch)

    yield begin
    for jobs in made:
        for queue in jobs._queues.values():
            queue.close()


def test_a_session_that_somebody_holds_is_never_held_without_a_verdict(
    tmp_path: Path, sessions: Path, new_session: Make
) -> None:
    jobs, session = runner(tmp_path, sessions), new_session()
    queue = jobs._queues[KIND]
    queue.put(Job(session.name, KIND))
    jobs._failing[session.name] = Failing(KIND, times=3)
    with session.lock():
        jobs.step()
    assert queue.held() == {} and len(queue) == 1
    jobs._failing[session.name] = Failing(KIND, times=3)
    jobs.step()
    assert session.state == "failure"
    assert "could not begin to run it" in queue.held()[session.name]
    queue.close()


def test_the_folder_is_not_read_for_every_start(
    started: Callable[..., Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = started(max_jobs=1)
    queue = begun.jobs._queues[KIND]
    for name in reversed(NAMES):
        queue.put(Job(name, KIND))
    looks: list[str] = []
    scandir, listdir = os.scandir, os.listdir

    def watched(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def reads(path: Any) -> Any:
            looks.append(os.fspath(path))
            return read(path)

        return reads

    monkeypatch.setattr(os, "scandir", watched(scandir))
    monkeypatch.setattr(os, "listdir", watched(listdir))
    for name in NAMES:
        assert begun.jobs.step() == 1
        begun.end(name)
    assert begun.names == NAMES
    assert looks.count(os.fspath(queue.pool)) == 1


def test_the_oldest_comes_first_whatever_its_kind(started: Callable[..., Started]) -> None:
    begun = started(KIND, OTHER, max_jobs=1)
    for number, name in enumerate(NAMES):
        kind = (KIND, OTHER)[number % 3 == 0]
        begun.jobs._queues[kind].put(Job(name, kind))
    for name in NAMES:
        begun.jobs.step()
        begun.end(name)
    assert begun.names == NAMES


def test_a_running_session_is_not_started_twice_before_it_takes_its_ticket(
    started: Callable[..., Started],
) -> None:
    begun = started(max_jobs=4)
    for name in NAMES[:2]:
        begun.jobs._queues[KIND].put(Job(name, KIND))
    for _ in range(5):
        assert begun.jobs.step() == 2
    assert begun.names == NAMES[:2]


def test_a_failed_start_waits_for_its_time_and_lets_others_go_first(
    started: Callable[..., Started],
) -> None:
    begun = started(max_jobs=1)
    queue = begun.jobs._queues[KIND]
    for name in NAMES[:2]:
        queue.put(Job(name, KIND))
    begun.jobs.step()
    begun.end(NAMES[0], 1)
    begun.jobs.step()
    assert begun.names == NAMES[:2]
    begun.end(NAMES[1])
    assert begun.jobs.step() == 0
    begun.jobs._failing[NAMES[0]].due = 0.0
    begun.jobs.step()
    assert begun.names == [*NAMES[:2], NAMES[0]]
    assert begun.jobs._failing[NAMES[0]].times == 1


def test_a_killed_process_leaves_a_session_that_is_started_again_at_once(
    started: Callable[..., Started],
) -> None:
    begun = started(max_jobs=1)
    begun.jobs._queues[KIND].put(Job(NAMES[0], KIND))
    begun.jobs.step()
    begun.end(NAMES[0], -9)
    assert begun.jobs.step() == 1
    assert begun.names == [NAMES[0], NAMES[0]]


def test_a_session_that_is_withdrawn_is_neither_started_nor_remembered(
    started: Callable[..., Started],
) -> None:
    begun = started(max_jobs=1)
    queue = begun.jobs._queues[KIND]
    for name in NAMES[:3]:
        queue.put(Job(name, KIND))
    begun.jobs.step()
    queue.withdraw(NAMES[1])
    begun.end(NAMES[0], 1)
    queue.withdraw(NAMES[0])
    begun.jobs._reap()
    begun.jobs._failing[NAMES[0]].due = 0.0
    begun.jobs.step()
    assert begun.names == [NAMES[0], NAMES[2]]
    assert begun.jobs._failing == {}
