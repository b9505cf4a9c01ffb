"""Job mode's runner, one turn at a time, without a process."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.fake_process import FakeProcess
from support.helpers import KIND, Clock, wait_until

from scai.processes import EXIT_LATER
from scai.programs.job_runner import JobRunner
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.settings import Settings
from scai.storage.session import Session

Make = Callable[..., Session]


OTHER = "object_detection"
NAMES = [f"d-20260101-{number:040x}" for number in range(1, 41)]


class Runner:
    """A runner whose processes do what a test says, and whose clock a test turns.

    `names` are the sessions whose processes it has started, oldest first.
    """

    def __init__(self, pools: Path, sessions: Path, kinds: Sequence[str], max_jobs: int) -> None:
        self.clock = Clock(1000.0)
        self.names = list[str]()
        self._processes: dict[str, FakeProcess] = {}
        # The clients' view of the same folders.
        self.queues = {kind: DirectoryQueue(pools / kind, kind, doorbell=False) for kind in kinds}
        settings = Settings(
            sessionpath=sessions,
            icpoolpath=pools / KIND,
            odpoolpath=pools / OTHER,
            max_jobs=max_jobs,
        )
        self.jobs = JobRunner(
            settings,
            list(kinds),
            start=self._start,
            clock=self.clock,
            aside=lambda act: act(),
        )
        self.step = self.jobs.step

    def _start(self, command: Sequence[str]) -> Any:
        [name] = [word.removeprefix("--sessname=") for word in command if "--sessname=" in word]
        self.names.append(name)
        self._processes[name] = FakeProcess()
        return self._processes[name]

    def put(self, *names: str, kind: str = KIND) -> None:
        for name in names:
            self.queues[kind].put(Job(name, kind))

    def end(self, name: str, code: int = 0) -> None:
        """End the process of a session; one that ends well has taken the ticket."""
        for queue in self.queues.values():
            if code == 0 and (claim := queue.claim_one(name)) is not None:
                claim.done()
        self._processes[name].code = code

    def process(self, name: str) -> FakeProcess:
        return self._processes[name]

    def fail_three_times(self, name: str) -> None:
        """Let three processes of a waiting session fail; its pause is over afterwards."""
        for _ in range(3):
            self.step()
            self.end(name, 1)
            self.step()
            self.clock.now += 100

    def close(self) -> None:
        self.jobs.close()
        for queue in self.queues.values():
            queue.close()


@pytest.fixture
def begin(tmp_path: Path, sessions: Path) -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def begin(*kinds: str, max_jobs: int = 2) -> Runner:
        made.append(Runner(tmp_path / "pooling", sessions, kinds or [KIND], max_jobs))
        return made[-1]

    yield begin
    for runner in made:
        runner.close()


def test_a_session_that_somebody_holds_is_never_held_without_a_verdict(
    begin: Callable[..., Runner], new_session: Make
) -> None:
    runner, session = begin(), new_session()
    queue = runner.queues[KIND]
    runner.put(session.name)
    runner.fail_three_times(session.name)
    with session.lock():
        runner.step()
    assert queue.held() == {} and len(queue) == 1 and session.state != "failure"
    assert runner.names == [session.name] * 3


def test_a_session_whose_processes_cannot_begin_is_given_up(
    begin: Callable[..., Runner], new_session: Make
) -> None:
    runner, session = begin(), new_session()
    runner.put(session.name)
    runner.fail_three_times(session.name)
    assert runner.step() == 0
    assert session.state == "failure"
    assert "3 processes could not begin to run it" in runner.queues[KIND].held()[session.name]
    assert len(list(runner.queues[KIND].pool.glob(".journal/*"))) == 1


def test_a_session_that_got_its_verdict_meanwhile_is_not_given_up(
    begin: Callable[..., Runner], new_session: Make
) -> None:
    runner, session = begin(), new_session()
    queue = runner.queues[KIND]
    runner.put(session.name)
    runner.fail_three_times(session.name)
    session.complete({"predictions": []})
    assert runner.step() == 0
    assert session.state == "complete"
    assert queue.held() == {} and not queue.has(session.name)
    assert list(queue.pool.glob(".journal/*")) == []


def test_the_folder_is_not_read_for_every_start(
    begin: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = begin(max_jobs=1)
    runner.put(*reversed(NAMES))
    looks: list[str] = []
    scandir, listdir = os.scandir, os.listdir

    def watched(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def reads(path: Any) -> Any:
            is_open = isinstance(path, int)
            looks.append(os.readlink(f"/proc/self/fd/{path}") if is_open else os.fspath(path))
            return read(path)

        return reads

    monkeypatch.setattr(os, "scandir", watched(scandir))
    monkeypatch.setattr(os, "listdir", watched(listdir))
    for name in NAMES:
        assert runner.step() == 1
        runner.end(name)
    assert runner.names == NAMES
    assert looks.count(os.fspath(runner.queues[KIND].pool)) == 1


def test_the_oldest_comes_first_whatever_its_kind(begin: Callable[..., Runner]) -> None:
    runner = begin(KIND, OTHER, max_jobs=1)
    for number, name in enumerate(NAMES):
        runner.put(name, kind=(KIND, OTHER)[number % 3 == 0])
    for name in NAMES:
        runner.step()
        runner.end(name)
    assert runner.names == NAMES


def test_a_running_session_is_not_started_twice_before_it_takes_its_ticket(
    begin: Callable[..., Runner],
) -> None:
    runner = begin(max_jobs=4)
    runner.put(*NAMES[:2])
    for _ in range(5):
        assert runner.step() == 2
    assert runner.names == NAMES[:2]


def test_a_failed_start_waits_for_its_time_and_lets_others_go_first(
    begin: Callable[..., Runner],
) -> None:
    runner = begin(max_jobs=1)
    runner.put(*NAMES[:2])
    runner.step()
    runner.end(NAMES[0], 1)
    runner.step()
    assert runner.names == NAMES[:2]
    runner.end(NAMES[1])
    assert runner.step() == 0
    runner.clock.now += 0.99
    assert runner.step() == 0
    runner.clock.now += 0.02
    assert runner.step() == 1
    assert runner.names == [*NAMES[:2], NAMES[0]]


def test_the_pause_after_a_failure_doubles(begin: Callable[..., Runner]) -> None:
    runner = begin(max_jobs=1)
    runner.put(NAMES[0])
    runner.step()
    for pause in (1.0, 2.0):
        runner.end(NAMES[0], 1)
        assert runner.step() == 0
        runner.clock.now += pause - 0.01
        assert runner.step() == 0
        runner.clock.now += 0.02
        assert runner.step() == 1


def test_a_killed_process_leaves_a_session_that_is_started_again_at_once(
    begin: Callable[..., Runner],
) -> None:
    runner = begin(max_jobs=1)
    runner.put(NAMES[0])
    runner.step()
    runner.end(NAMES[0], -9)
    assert runner.step() == 1
    assert runner.names == [NAMES[0], NAMES[0]]


def test_a_session_that_is_withdrawn_is_neither_started_nor_remembered(
    begin: Callable[..., Runner],
) -> None:
    runner = begin(max_jobs=1)
    runner.put(*NAMES[:3])
    runner.step()
    runner.queues[KIND].withdraw(NAMES[1])
    runner.end(NAMES[0], 1)
    runner.queues[KIND].withdraw(NAMES[0])
    runner.step()
    runner.clock.now += 100
    runner.step()
    assert runner.names == [NAMES[0], NAMES[2]]
    # Put again, it is a new session: nothing is left of its failure, and it goes first.
    runner.put(NAMES[0])
    runner.end(NAMES[2], 1)
    runner.step()
    assert runner.names == [NAMES[0], NAMES[2], NAMES[0]]


def test_a_full_disk_is_no_failure_of_the_session_that_it_stops(
    begin: Callable[..., Runner],
) -> None:
    runner = begin()
    [name] = NAMES[:1]
    runner.put(name)
    runner.step()
    for _ in range(20):
        runner.end(name, EXIT_LATER)
        runner.step()
        runner.clock.now += 2
        runner.step()
    assert runner.names == [name] * 21
    assert runner.queues[KIND].held_sessions() == []


def test_a_process_whose_heartbeats_end_is_killed_and_the_session_starts_again(
    begin: Callable[..., Runner], caplog: pytest.LogCaptureFixture
) -> None:
    runner = begin()
    runner.put(NAMES[0])
    runner.step()
    hanging = runner.process(NAMES[0])
    [queue] = runner.queues.values()
    queue.announce(pid=hanging.pid)
    queue.beat()
    for _ in range(40):
        runner.clock.now += 1
        runner.step()
    assert hanging.poll() == -9
    assert f"the process of session {NAMES[0]} has sent no heartbeat for 31 s" in caplog.text
    assert runner.names == [NAMES[0]] * 2


def test_a_queue_that_cannot_be_used_at_first_stops_the_loop_of_job_mode_not_for_ever(
    begin: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = begin()
    real, refusals = DirectoryQueue.announce, [OSError(28, "No space left on device")]

    def announce(self: DirectoryQueue, **facts: Any) -> None:
        if refusals:
            raise refusals.pop()
        real(self, **facts)

    monkeypatch.setattr(DirectoryQueue, "announce", announce)
    thread = threading.Thread(target=runner.jobs.run)
    thread.start()
    try:
        [queue] = runner.queues.values()
        wait_until(lambda: any("last_beat" in worker for worker in queue.workers()))
        runner.put(NAMES[0])
        wait_until(lambda: runner.names == [NAMES[0]])
    finally:
        runner.jobs.stop()
        thread.join(20)
    assert refusals == []
