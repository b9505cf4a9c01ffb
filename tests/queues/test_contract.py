"""The contract of every queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import KIND, Clock, wait_until
from support.queueing import claim_sessions, names, put, sessions_in_work

from scai import plugins, queues
from scai.queues import directory
from scai.queues._leases import LeaseWatch
from scai.queues.base import JobQueue, QueueOptions, Ticket
from scai.queues.memory import MemoryQueue
from scai.settings import Settings

LEASE = 60.0
OPENERS = dict[str, Callable[[JobQueue, QueueOptions], JobQueue]]
# How a second claimer comes to the jobs of a queue, of each variant.
BESIDE: OPENERS = {
    "directory": lambda queue, options: directory.open_queue(KIND, options),
    "memory": lambda queue, options: MemoryQueue(
        KIND,
        beside=queue,  # type: ignore[arg-type]
        leases=LeaseWatch(options.lease, options.clock),
    ),
}


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def options(tmp_path: Path, clock: Clock) -> QueueOptions:
    return QueueOptions(tmp_path / "pool", sweep=0.2, lease=LEASE, clock=clock)


@pytest.fixture(params=plugins.names("queues"))
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def any_queue(variant: str, options: QueueOptions) -> Iterator[JobQueue]:
    """An empty queue of each variant."""
    queue = plugins.load("queues", variant).open_queue(KIND, options)
    yield queue
    queue.close()


@pytest.fixture
def other(variant: str, any_queue: JobQueue, options: QueueOptions) -> Iterator[JobQueue]:
    """Another claimer of the jobs of `any_queue`; the clock of both is `clock`."""
    queue = BESIDE[variant](any_queue, options)
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


def test_a_released_job_waits_again_at_its_place_and_is_on_hold_no_more(
    any_queue: JobQueue,
) -> None:
    first, second = names(2)
    arrivals: list[str] = []
    any_queue.listen_for_arrivals(lambda: arrivals.append("one"))
    put(any_queue, second)
    any_queue.hold(first, "by hand")
    assert not any_queue.has(first)
    assert any_queue.release(first)
    assert not any_queue.release(first)
    assert any_queue.held() == {}
    wait_until(lambda: len(arrivals) >= 2)
    assert claim_sessions(any_queue) == [first, second]


def test_a_released_job_that_waits_already_waits_once(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name)
    any_queue.hold(name, "by hand")
    assert any_queue.hold_reason(name) == "by hand"
    assert any_queue.release(name)
    assert len(any_queue) == 1
    assert claim_sessions(any_queue) == [name]
    assert claim_sessions(any_queue) == []


def test_a_queue_in_use_has_no_strays(any_queue: JobQueue) -> None:
    first, second, third = names(3)
    any_queue.announce(warm=True)
    any_queue.beat()
    put(any_queue, first, second, third)
    claims = any_queue.claim(2, 0)
    claims[0].hold("by hand")
    assert any_queue.strays(time.time() + 10_000) == []


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


def watch(queue: JobQueue, clock: Clock, seconds: float, step: float = 1.0) -> int:
    """Look for lapsed claims every second for so long; how many jobs wait again."""
    count = queue.recover()
    for _ in range(int(seconds / step)):
        clock.now += step
        count += queue.recover()
    return count


def test_each_claim_has_a_token_of_its_own(any_queue: JobQueue, other: JobQueue) -> None:
    put(any_queue, *names(2))
    first, second = [*any_queue.claim(1, 0), *other.claim(1, 0)]
    assert first.token != second.token
    assert first.is_current(first.token)
    first.give_back()
    assert not first.is_current(first.token)
    again = any_queue.claim_one(first.job.session)
    assert again is not None and again.token not in (first.token, second.token)
    assert again.is_current(again.token) and not again.is_current(first.token)


@pytest.mark.parametrize("token", ["", "../x", "a/b", "d-1@o+1", "\0", "x" * 5000])
def test_any_text_may_be_asked_for_as_a_token(any_queue: JobQueue, token: str) -> None:
    put(any_queue, *names(1))
    [claim] = any_queue.claim(1, 0)
    assert not claim.is_current(token)
    assert not claim.is_current(f"{claim.job.session}@{token}")


def test_two_claims_of_one_job_know_each_other(any_queue: JobQueue) -> None:
    [name] = names(1)
    put(any_queue, name)
    running = any_queue.claim_one(name)
    put(any_queue, name)  # a client touched the ticket a second time
    second = any_queue.claim_one(name)
    assert running is not None and second is not None
    assert second.is_current(running.token) and running.is_current(second.token)
    running.done()
    assert not second.is_current(running.token) and second.is_current(second.token)


def test_a_silent_owner_loses_its_claims_after_a_lease_and_not_before(
    any_queue: JobQueue, other: JobQueue, clock: Clock
) -> None:
    first, second = names(2)
    put(any_queue, first, second)
    any_queue.beat()
    lost = any_queue.claim(2, 0)
    assert watch(other, clock, LEASE - 1) == 0
    assert watch(other, clock, 2) == 2
    assert claim_sessions(other, 2) == [first, second]
    assert not any(claim.is_current(claim.token) for claim in lost)
    # What the silent one does when it goes on changes nothing.
    for claim, end in zip(lost, ("done", "hold"), strict=True):
        claim.hold("late") if end == "hold" else claim.done()
        claim.give_back()
    assert sessions_in_work(other) == [first, second]
    assert (len(other), other.held()) == (0, {})


def test_an_owner_that_beats_keeps_its_claims_for_ever(
    any_queue: JobQueue, other: JobQueue, clock: Clock
) -> None:
    put(any_queue, *names(1))
    any_queue.claim(1, 0)
    for _ in range(10):
        any_queue.beat()
        assert watch(other, clock, LEASE / 2) == 0
    assert len(other.claims()) == 1


def test_a_new_claim_counts_from_its_own_start(
    any_queue: JobQueue, other: JobQueue, clock: Clock
) -> None:
    old, new = names(2)
    put(any_queue, old)
    any_queue.beat()
    any_queue.claim(1, 0)
    watch(other, clock, LEASE - 10)
    put(any_queue, new)
    any_queue.claim(1, 0)
    assert watch(other, clock, 20) == 1
    assert (list(other.waiting()), sessions_in_work(other)) == ([old], [new])
    assert watch(other, clock, LEASE - 10) == 1


def test_an_owner_that_never_beat_is_judged_by_its_life(
    any_queue: JobQueue, other: JobQueue, clock: Clock
) -> None:
    put(any_queue, *names(1))
    any_queue.claim(1, 0)
    assert watch(other, clock, 5 * LEASE) == 0


def test_a_watcher_that_was_stopped_itself_blames_nobody(
    any_queue: JobQueue, other: JobQueue, clock: Clock
) -> None:
    put(any_queue, *names(1))
    any_queue.beat()
    any_queue.claim(1, 0)
    assert watch(other, clock, 5) == 0
    clock.now += 7 * LEASE  # everything stood still
    assert other.recover() == 0
    any_queue.beat()
    assert watch(other, clock, LEASE - 1) == 0


def test_nobody_loses_its_own_claims_by_looking(any_queue: JobQueue, clock: Clock) -> None:
    put(any_queue, *names(1))
    any_queue.beat()
    any_queue.claim(1, 0)
    assert watch(any_queue, clock, 5 * LEASE) == 0


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
