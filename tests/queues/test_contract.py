"""The contract of every queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helpers import KIND, wait_until
from support.queueing import claim_sessions, names, put, sessions_in_work

from scai import plugins, queues
from scai.queues.base import JobQueue, QueueOptions, Ticket
from scai.settings import Settings


@pytest.fixture(params=plugins.names("queues"))
def any_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobQueue]:
    """An empty queue of each variant."""
    options = QueueOptions(tmp_path / "pool", sweep=0.2)
    queue = plugins.load("queues", request.param).open_queue(KIND, options)
    yield queue
    queue.close()


def test_claims_come_oldest_first_and_at_most_as_many_as_asked(any_queue: JobQueue) -> None:
    sessions = names(5)
    put(any_queue, *reversed(sessions))
    assert len(any_queue) == 5
    assert claim_sessions(any_queue, 3) == sessions[:3]
    assert claim_sessions(any_queue, 3) == sessions[3:]
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
    assert claim_sessions(any_queue) == [name]


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
    assert any_queue.held_sessions() == [name]
    assert any_queue.hold_reason(name) == "killed three workers"
    assert any_queue.claim(1, 0) == [] and not any_queue.has(name)


def test_a_hold_is_dropped_with_its_session(any_queue: JobQueue) -> None:
    first, second = names(2)
    put(any_queue, first, second)
    for claim in any_queue.claim(2, 0):
        claim.hold("no such session")
    any_queue.drop_hold(first)
    any_queue.drop_hold(first)
    assert any_queue.withdraw(second)
    assert any_queue.held() == {}
    assert any_queue.hold_reason(first) is None


def test_putting_a_waiting_job_again_changes_nothing(any_queue: JobQueue) -> None:
    [name] = names(1)
    assert any_queue.place(name) == Ticket(name, new=True)
    assert any_queue.place(name) == Ticket(name, new=False)
    assert claim_sessions(any_queue) == [name]
    assert claim_sessions(any_queue) == []


def test_a_job_that_is_placed_can_be_claimed_before_it_is_flushed(any_queue: JobQueue) -> None:
    [name] = names(1)
    ticket = any_queue.place(name)
    assert claim_sessions(any_queue) == [name]
    any_queue.flush(ticket)
    assert len(any_queue) == 0


def test_one_job_can_be_asked_for_by_name(any_queue: JobQueue) -> None:
    first, second = names(2)
    put(any_queue, first, second)
    claim = any_queue.claim_one(second)
    assert claim is not None and claim.job.session == second
    assert any_queue.claim_one(second) is None
    assert claim_sessions(any_queue) == [first]


def test_a_claimer_that_waits_gets_a_job_that_comes_later(any_queue: JobQueue) -> None:
    [name] = names(1)
    timer = threading.Timer(0.1, put, (any_queue, name))
    timer.start()
    assert claim_sessions(any_queue, timeout=10) == [name]
    timer.join()


def test_a_waiting_claimer_can_be_woken(any_queue: JobQueue) -> None:
    timer = threading.Timer(0.1, any_queue.wake)
    timer.start()
    # Far longer than any test may take.
    assert any_queue.claim(1, 3600) == []
    timer.join()


def test_closing_gives_back_what_is_claimed(any_queue: JobQueue) -> None:
    put(any_queue, *names(3))
    any_queue.claim(2, 0)
    any_queue.close()
    assert len(any_queue) == 3


def test_only_a_job_that_nobody_works_on_can_be_withdrawn(any_queue: JobQueue) -> None:
    waiting, running = names(2)
    put(any_queue, waiting, running)
    assert any_queue.claim_one(running) is not None
    assert any_queue.withdraw(waiting)
    assert not any_queue.withdraw(running)
    assert (len(any_queue), sessions_in_work(any_queue)) == (0, [running])


def test_a_queue_tells_where_a_job_is(any_queue: JobQueue) -> None:
    waiting, running, absent = names(3)
    put(any_queue, waiting, running)
    assert any_queue.claim_one(running) is not None
    assert [any_queue.waits(name) for name in (waiting, running, absent)] == [True, False, False]
    assert [any_queue.has(name) for name in (waiting, running, absent)] == [True, True, False]
    assert list(any_queue.waiting()) == [waiting]


def test_a_long_queue_tells_no_order(any_queue: JobQueue) -> None:
    sessions = names(4)
    put(any_queue, *reversed(sessions))
    assert any_queue.order(4) == sessions
    assert any_queue.order(3) is None


def test_the_next_waiting_sessions_come_once_each_oldest_first(any_queue: JobQueue) -> None:
    first, second, third = names(3)
    put(any_queue, third, first, second)
    any_queue.refresh()
    assert any_queue.withdraw(second)
    assert [any_queue.next_waiting() for _ in range(3)] == [first, third, None]
    any_queue.refresh()
    assert [any_queue.next_waiting() for _ in range(3)] == [first, third, None]
    assert len(any_queue) == 2


def test_a_claim_tells_its_owner_and_the_last_heartbeat_of_its_owner(any_queue: JobQueue) -> None:
    put(any_queue, *names(2))
    any_queue.announce(warm=True)
    [worker] = any_queue.workers()
    any_queue.claim(2, 0)
    assert set(any_queue.claimed().values()) == {worker["id"]}
    assert "last_beat" not in worker
    assert [claim.last_beat for claim in any_queue.claims()] == [None, None]
    before = time.time() - 1  # file systems keep coarser times
    any_queue.beat()
    [worker] = any_queue.workers()
    beats = {claim.last_beat for claim in any_queue.claims()}
    assert beats == {worker["last_beat"]}
    assert before <= worker["last_beat"] <= time.time() + 1


def test_a_heartbeat_comes_before_the_first_claim_and_ends_with_the_queue(
    any_queue: JobQueue,
) -> None:
    any_queue.beat()
    any_queue.announce(warm=True)
    put(any_queue, *names(1))
    any_queue.claim(1, 0)
    [claim] = any_queue.claims()
    assert claim.last_beat is not None
    any_queue.close()
    any_queue.announce(warm=True)
    [worker] = any_queue.workers()
    assert "last_beat" not in worker


def test_a_claim_that_ended_touches_no_later_claim_of_the_same_job(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name)
    first = any_queue.claim_one(name)
    assert first is not None
    first.give_back()
    assert any_queue.claim_one(name) is not None
    first.done()
    first.give_back()
    assert (len(any_queue), sessions_in_work(any_queue)) == (0, [name])


def test_what_workers_announce_is_told_until_they_close(any_queue: JobQueue) -> None:
    assert any_queue.workers() == []
    any_queue.announce(kind=KIND, warm=False)
    any_queue.announce(warm=True)
    [worker] = any_queue.workers()
    assert (worker["kind"], worker["warm"]) == (KIND, True)
    assert isinstance(worker["pid"], int) and isinstance(worker["id"], str)
    any_queue.close()
    assert any_queue.workers() == []


def test_living_claimers_keep_their_claims(any_queue: JobQueue) -> None:
    put(any_queue, *names(1))
    assert len(any_queue.claim(1, 0)) == 1
    assert any_queue.recover() == 0
    assert len(any_queue.claims()) == 1


def test_an_arrival_rings(any_queue: JobQueue) -> None:
    rung = threading.Event()
    any_queue.listen_for_arrivals(rung.set)
    put(any_queue, *names(1))
    assert rung.wait(10)


def test_the_end_of_a_claim_rings_for_its_session(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name)
    rung: list[str] = []
    assert any_queue.listen_for_ends(rung.append)
    assert any_queue.listen_for_ends(rung.append)
    [claim] = any_queue.claim(1, 0)
    claim.done()
    wait_until(lambda: rung == [name], 10)


def test_an_installation_has_a_queue_for_each_kind_in_the_folder_of_its_settings(
    tmp_path: Path,
) -> None:
    settings = Settings(icpoolpath=tmp_path / "ic", odpoolpath=tmp_path / "od", durability="off")
    opened = queues.open_all(settings)
    [name] = names(1)
    for kind, queue in opened.items():
        assert queue.kind == kind
        put(queue, name)
        assert (settings.pool(kind) / name).is_file()
        queue.close()
    with_pool = queues.open(settings, KIND, pool=tmp_path / "other")
    assert len(with_pool) == 0 and (tmp_path / "other").is_dir()
    with_pool.close()
    assert sorted(opened) == plugins.names("workers")
