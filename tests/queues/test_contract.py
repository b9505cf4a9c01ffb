"""The contract of every queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import KIND
from support.queueing import names, put, taken

from scai import plugins
from scai.queues.base import JobQueue
from scai.queues.directory import DirectoryQueue
from scai.queues.memory import MemoryQueue

MAKERS: dict[str, Callable[[Path], JobQueue]] = {
    "directory": lambda path: DirectoryQueue(path / "pool", KIND, sweep=0.2),
    "memory": lambda path: MemoryQueue(KIND),
}


@pytest.fixture(params=plugins.names("queues"))
def any_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobQueue]:
    queue = MAKERS[request.param](tmp_path)
    yield queue
    queue.close()


def test_claims_come_oldest_first_and_at_most_as_many_as_asked(any_queue: JobQueue) -> None:
    known = names(5)
    put(any_queue, *reversed(known))
    assert len(any_queue) == 5
    assert taken(any_queue, 3) == known[:3]
    assert taken(any_queue, 3) == known[3:]
    assert len(any_queue) == 0


def test_nothing_waiting_is_an_empty_list_after_the_timeout(any_queue: JobQueue) -> None:
    started = time.monotonic()
    assert any_queue.claim(4, 0.05) == []
    assert time.monotonic() - started >= 0.05


def test_a_claimed_job_is_nobody_elses_until_given_back(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name)
    [claim] = any_queue.claim(1, 0)
    assert any_queue.claim(1, 0) == []
    claim.give_back()
    assert taken(any_queue) == [name]


def test_a_job_that_is_done_is_gone(any_queue: JobQueue) -> None:
    put(any_queue, *names(1))
    [claim] = any_queue.claim(1, 0)
    claim.done()
    claim.done()
    assert any_queue.claim(1, 0) == [] and len(any_queue) == 0


def test_a_held_job_keeps_its_reason_and_is_not_claimed(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name)
    [claim] = any_queue.claim(1, 0)
    claim.hold("killed three workers")
    assert any_queue.held() == {name: "killed three workers"}
    assert any_queue.claim(1, 0) == []


def test_putting_a_waiting_job_again_changes_nothing(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name, name)
    assert taken(any_queue) == [name]


def test_one_job_can_be_asked_for_by_name(any_queue: JobQueue) -> None:
    first, second = names(2)
    put(any_queue, first, second)
    claim = any_queue.claim_one(second)
    assert claim is not None and claim.job.session == second
    assert any_queue.claim_one(second) is None
    assert taken(any_queue) == [first]


def test_a_claimer_that_waits_gets_a_job_that_comes_later(any_queue: JobQueue) -> None:
    [name] = names(1)
    timer = threading.Timer(0.1, put, (any_queue, name))
    timer.start()
    assert taken(any_queue, timeout=10) == [name]
    timer.join()


def test_a_waiting_claimer_can_be_woken(any_queue: JobQueue) -> None:
    timer = threading.Timer(0.1, any_queue.wake)
    timer.start()
    started = time.monotonic()
    assert any_queue.claim(1, 30) == []
    assert time.monotonic() - started < 20
    timer.join()


def test_closing_gives_back_what_is_claimed(tmp_path: Path, any_queue: JobQueue) -> None:
    put(any_queue, *names(3))
    any_queue.claim(2, 0)
    any_queue.close()
    assert len(any_queue) == 3
