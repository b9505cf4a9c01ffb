"""What is special about the queue that is a directory."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import KIND, wait_until
from support.queueing import claim_all, claim_sessions, names, put, sessions_in_work

from scai.queues.base import Claim, ClaimStatus
from scai.queues.directory import DirectoryQueue
from scai.storage.disk import Disk


def test_a_ticket_is_an_empty_file_named_as_the_session(queue: DirectoryQueue) -> None:
    [name] = names(1)
    put(queue, name)
    assert (queue.pool / name).stat().st_size == 0


def test_tickets_from_before_the_start_and_by_touch_and_by_rename_are_all_taken(
    queue: DirectoryQueue, tmp_path: Path
) -> None:
    before, touched, moved = names(3)
    (queue.pool / before).touch()
    assert claim_sessions(queue) == [before]
    (queue.pool / touched).touch()
    assert claim_sessions(queue, timeout=10) == [touched]
    (tmp_path / "elsewhere").touch()
    (tmp_path / "elsewhere").rename(queue.pool / moved)
    assert claim_sessions(queue, timeout=10) == [moved]


@pytest.mark.parametrize("how", ["touch", "rename"])
def test_an_arrival_rings_the_bell_long_before_the_sweep(tmp_path: Path, how: str) -> None:
    """With an hour between sweeps, only the bell can bring a ticket, also right after a claim."""
    queue = DirectoryQueue(tmp_path / "pool", KIND, sweep=3600)

    def arrive(name: str) -> None:
        if how == "touch":
            (queue.pool / name).touch()
        else:
            (tmp_path / "new").touch()
            (tmp_path / "new").rename(queue.pool / name)

    try:
        for name in names(3):
            assert arrives_at_a_claimer(queue, name, arrive, 10)
    finally:
        queue.close()


def arrives_at_a_claimer(
    queue: DirectoryQueue, name: str, arrive: Callable[[str], None], seconds: float
) -> bool:
    """Whether a ticket gets to a claimer that has looked and waits for `seconds`."""
    arrival = threading.Timer(0.1, arrive, [name])
    arrival.start()
    sessions = claim_sessions(queue, timeout=seconds)
    arrival.join()
    return sessions == [name]


def test_without_file_events_the_sweep_finds_everything(tmp_path: Path) -> None:
    queue = DirectoryQueue(tmp_path / "pool", KIND, sweep=0.05, doorbell=False)
    [name] = names(1)
    timer = threading.Timer(0.1, (queue.pool / name).touch)
    timer.start()
    assert claim_sessions(queue, timeout=10) == [name]
    timer.join()
    queue.close()


def test_without_file_events_the_folder_is_read_once_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = tmp_path / "pool"
    queue = DirectoryQueue(pool, KIND, sweep=3600, doorbell=False, wake_period=0.01)
    readings = readings_of(pool, monkeypatch)
    assert queue.claim(1, 0.3) == []
    assert len(readings) == 1
    queue.close()


def test_strangers_in_the_folder_are_left_alone(queue: DirectoryQueue) -> None:
    (queue.pool / "README").write_text("hello")
    (queue.pool / "d-20180521-xyz").touch()
    assert claim_sessions(queue) == [] and len(queue) == 0
    assert (queue.pool / "README").exists()


def test_a_ticket_that_is_a_directory_harms_nobody(queue: DirectoryQueue) -> None:
    first, second = names(2)
    (queue.pool / first).mkdir()
    put(queue, second)
    for claim in queue.claim(5, 0):
        claim.done()
    assert claim_sessions(queue) == []


def test_a_dead_owners_claims_come_back_and_a_living_ones_do_not(tmp_path: Path) -> None:
    # Given a process that has claimed two jobs and is then killed
    pool = tmp_path / "pool"
    queue = DirectoryQueue(pool, KIND, sweep=0.2)
    waiting_names = names(3)
    put(queue, *waiting_names)
    code = (
        "import sys, pathlib, signal\n"
        "from scai.queues.directory import DirectoryQueue\n"
        f"q = DirectoryQueue(pathlib.Path(sys.argv[1]), {KIND!r}, doorbell=False)\n"
        "print(len(q.claim(2, 0)), flush=True); signal.pause()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(pool)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline().strip() == "2"
        assert len(queue.workers()) == 1
        assert queue.recover() == 0
        # When it stops answering, it is still alive and keeps its claims
        child.send_signal(signal.SIGSTOP)
        assert queue.recover() == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    # Then its claims are back, at their old place
    wait_until(lambda: queue.recover() == 2)
    assert claim_sessions(queue) == waiting_names
    assert [worker["id"] for worker in queue.workers()] == [queue.owner.id]
    queue.close()
    assert os.listdir(pool / ".owners") == []


def test_strange_things_among_the_owners_stop_nobody(queue: DirectoryQueue) -> None:
    (queue.pool / ".owners" / "folder.lock").mkdir()
    (queue.pool / ".owners" / "link.lock").symlink_to("/nonexistent/lock")
    queue.announce(warm=True)
    (queue.pool / ".owners" / f"{queue.owner.id}.json").write_text("[1]")
    [name] = names(1)
    put(queue, name)
    queue.recover()
    assert {"id": queue.owner.id} in queue.workers()
    assert claim_sessions(queue) == [name]


def test_the_bells_ring_again_after_the_folder_was_removed(tmp_path: Path) -> None:
    queue = DirectoryQueue(tmp_path / "pool", KIND, sweep=3600)
    ends: list[str] = []
    assert queue.listen_for_ends(ends.append)
    assert claim_sessions(queue) == []
    shutil.rmtree(queue.pool)

    def arrival_rings() -> bool:
        claim_sessions(queue)  # listens anew as soon as the loss is noticed
        return arrives_at_a_claimer(queue, names(1)[0], lambda name: put(queue, name), 0.5)

    def end_rings() -> bool:
        listening = queue.listen_for_ends(ends.append)
        [name] = names(1)
        put(queue, name)
        for claim in queue.claim(10, 0):
            claim.done()
        if listening:
            wait_until(lambda: name in ends or not queue.listen_for_ends(ends.append), 5)
        return name in ends

    wait_until(arrival_rings, 10)
    wait_until(end_rings, 10)
    queue.close()


def test_folders_that_somebody_removed_are_made_again(queue: DirectoryQueue) -> None:
    shutil.rmtree(queue.pool)
    assert claim_sessions(queue) == []
    shutil.rmtree(queue.pool)
    [name] = names(1)
    put(queue, name)
    assert len(queue) == 1


def test_a_claimer_with_an_old_listing_looks_again_before_it_says_nothing_waits(
    tmp_path: Path,
) -> None:
    mine, other = (DirectoryQueue(tmp_path / "pool", KIND, sweep=3600) for _ in range(2))
    first, second, third = names(3)
    put(mine, first, second)
    assert claim_sessions(mine, 1) == [first]
    assert claim_sessions(other, 1) == [second]
    (mine.pool / third).touch()
    assert claim_sessions(mine, 1) == [third]
    mine.close()
    other.close()


def test_an_idle_claimer_takes_over_from_the_dead_by_itself(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    queue = DirectoryQueue(pool, KIND, sweep=0.2)
    [name] = names(1)
    (pool / ".claimed" / f"{name}@nobody-1-ab").touch()
    assert claim_sessions(queue, timeout=20) == [name]
    queue.close()


def test_done_rings_those_who_wait_for_the_verdict(tmp_path: Path) -> None:
    worker = DirectoryQueue(tmp_path / "pool", KIND)
    portal = DirectoryQueue(tmp_path / "pool", KIND)
    rung: list[str] = []
    assert portal.listen_for_ends(rung.append)
    [name] = names(1)
    put(portal, name)
    [claim] = worker.claim(1, 0)
    claim.done()
    wait_until(lambda: name in rung)
    worker.close()
    portal.close()


def readings_of(pool: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one for each time that the queue's folder is read."""
    readings: list[str] = []
    scandir = os.scandir

    def note_reading(path: str) -> object:
        if path == os.fspath(pool):
            readings.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", note_reading)
    return readings


@pytest.fixture
def slow_queue(tmp_path: Path) -> Iterator[DirectoryQueue]:
    """A queue that reads its folder once an hour."""
    queue = DirectoryQueue(tmp_path / "pool", KIND, sweep=3600)
    yield queue
    queue.close()


def test_a_deep_queue_is_not_read_for_each_claim(
    slow_queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = slow_queue
    waiting_names = names(100)
    for name in waiting_names:
        (queue.pool / name).touch()
    assert claim_sessions(queue, 10) == waiting_names[:10]
    readings = readings_of(queue.pool, monkeypatch)
    assert [claim_sessions(queue, 10) for _ in range(9)] == [
        waiting_names[n : n + 10] for n in range(10, 100, 10)
    ]
    assert readings == []


def test_a_ticket_whose_event_came_is_claimed_in_its_place_without_reading(
    slow_queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = slow_queue
    first, second, third, fourth = names(4)
    put(queue, first, third)
    arrivals = threading.Semaphore(0)
    queue.listen_for_arrivals(arrivals.release)
    assert claim_sessions(queue, 1) == [first]
    readings = readings_of(queue.pool, monkeypatch)
    for name in (second, fourth):
        put(queue, name)
        assert arrivals.acquire(timeout=10)
    assert claim_sessions(queue, 10) == [second, third, fourth]
    assert readings == []


def test_placing_is_waiting_already_and_a_failed_flush_takes_it_back(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = names(1)
    ticket = queue.place(name)
    assert len(queue) == 1

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError):
        queue.flush(ticket)
    assert len(queue) == 0


def test_many_threads_of_a_process_are_one_owner(queue: DirectoryQueue) -> None:
    waiting_names = names(200)
    put_all = [threading.Thread(target=put, args=(queue, *waiting_names[n::4])) for n in range(4)]
    got: list[str] = []
    take = [
        threading.Thread(target=lambda: got.extend(claim_sessions(queue, 50))) for _ in range(4)
    ]
    for threads in (put_all, take):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(got) == waiting_names
    assert len(queue.workers()) == 1


def test_four_claimers_share_a_thousand_jobs_and_none_twice(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    queue = DirectoryQueue(pool, KIND, doorbell=False)
    waiting_names = names(1000)
    for name in waiting_names:
        (pool / name).touch()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    claimers = [
        context.Process(target=claim_all, args=(str(pool), KIND, results)) for _ in range(4)
    ]
    for claimer in claimers:
        claimer.start()
    shares = [results.get(timeout=60) for _ in claimers]
    for claimer in claimers:
        claimer.join()
    assert sorted(name for share in shares for name in share) == waiting_names
    assert len(queue) == 0
    queue.close()


def test_the_folders_are_made_when_missing(tmp_path: Path) -> None:
    queue = DirectoryQueue(tmp_path / "a" / "b", KIND)
    put(queue, *names(1))
    assert os.listdir(tmp_path / "a" / "b")
    queue.close()


def test_tickets_are_names_of_one_file_and_still_each_is_claimed_once(
    queue: DirectoryQueue,
) -> None:
    waiting_names = names(3)
    put(queue, *waiting_names)
    assert len({(queue.pool / name).stat().st_ino for name in waiting_names}) == 1
    assert claim_sessions(queue) == waiting_names
    assert len(queue) == 0 and sessions_in_work(queue) == waiting_names


def test_a_second_ticket_for_a_claimed_job_does_not_stay_when_the_claim_comes_back(
    queue: DirectoryQueue,
) -> None:
    [name] = names(1)
    put(queue, name)
    [claim] = queue.claim(1, 0)
    put(queue, name)
    claim.give_back()
    assert (list(queue.waiting()), sessions_in_work(queue)) == ([name], [])


def test_a_second_ticket_claimed_by_the_same_worker_is_a_claim_of_its_own(
    queue: DirectoryQueue,
) -> None:
    [name] = names(1)
    put(queue, name)
    first = queue.claim_one(name)
    put(queue, name)
    second = queue.claim_one(name)
    assert first is not None and second is not None
    assert list(queue.waiting()) == []
    second.done()
    assert sessions_in_work(queue) == [name]
    first.done()
    assert sessions_in_work(queue) == []


def test_a_job_claimed_again_while_it_is_given_back_is_not_lost(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread of the same worker claims the ticket as soon as the rename has moved it."""
    [name] = names(1)
    put(queue, name)
    first = queue.claim_one(name)
    assert first is not None
    second: list[Claim | None] = []
    rename = os.rename

    def rename_then_claim(source: str, target: str) -> None:
        rename(source, target)
        monkeypatch.setattr(os, "rename", rename)
        second.append(queue.claim_one(name))

    monkeypatch.setattr(os, "rename", rename_then_claim)
    first.give_back()
    assert second[0] is not None
    assert (len(queue), sessions_in_work(queue)) == (0, [name])
    second[0].give_back()
    assert (list(queue.waiting()), sessions_in_work(queue)) == ([name], [])


def test_a_ticket_put_while_the_same_job_is_claimed_stays(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = names(1)
    put(queue, name)
    rename = os.rename

    def rename_then_put(source: str, target: str) -> None:
        rename(source, target)
        put(queue, name)

    monkeypatch.setattr(os, "rename", rename_then_put)
    claim = queue.claim_one(name)
    assert claim is not None
    assert (list(queue.waiting()), sessions_in_work(queue)) == ([name], [name])


def test_a_failed_flush_leaves_a_ticket_that_waited_before(tmp_path: Path) -> None:
    [waiting, new] = names(2)
    disk = Disk()
    queue = DirectoryQueue(tmp_path / "pool", KIND, doorbell=False, disk=disk)
    put(queue, waiting)

    def broken(path: Path) -> None:
        raise OSError("input/output error")

    disk.sync_directory = broken  # type: ignore[method-assign]
    for name in (waiting, new):
        with pytest.raises(OSError, match="input/output error"):
            put(queue, name)
    assert list(queue.waiting()) == [waiting]
    queue.close()


def test_claims_named_by_an_earlier_release_come_back(queue: DirectoryQueue) -> None:
    [name] = names(1)
    (queue.pool / ".claimed" / f"{name}@host-1-abcd").touch()
    assert queue.claims() == [ClaimStatus(name, "host-1-abcd")]
    assert queue.recover() == 1
    assert list(queue.waiting()) == [name]


def test_without_its_blank_file_a_queue_makes_tickets_all_the_same(queue: DirectoryQueue) -> None:
    (queue.pool / ".blank").unlink()
    [name] = names(1)
    put(queue, name)
    assert claim_sessions(queue) == [name]


def test_when_events_were_missed_the_folder_is_read_again(slow_queue: DirectoryQueue) -> None:
    queue = slow_queue
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if room > 50_000:
        pytest.skip(f"this kernel keeps {room} events, too many for a test to exceed")
    early, late, last = names(3)
    put(queue, late, last)
    assert claim_sessions(queue, 1) == [late]
    # Given a listener that is too slow for so many events, the last of which is lost
    listening, slow = threading.Event(), threading.Event()

    def ring() -> None:
        listening.set()
        slow.wait(60)

    queue.listen_for_arrivals(ring)
    # Two names in turn: the kernel would make one event of the same one twice.
    strangers = [os.fspath(queue.pool / name) for name in ("one", "other")]
    for number in range(room + 2):
        os.link(queue.pool / ".blank", strangers[number % 2])
        os.unlink(strangers[number % 2])
    assert listening.wait(10)
    put(queue, early)
    slow.set()

    # Then the ticket without an event is claimed before the one in memory
    def next_session() -> str:
        [claim] = queue.claim(1, 0)
        claim.give_back()
        return claim.job.session

    wait_until(lambda: next_session() == early)


def test_a_heartbeat_is_one_claims_own_though_all_tickets_are_names_of_one_file(
    queue: DirectoryQueue,
) -> None:
    first, second = names(2)
    put(queue, first, second)
    beating, silent = queue.claim(2, 0)
    beating.beat()
    [beat] = list((queue.pool / ".owners").glob("*.beat"))
    os.utime(beat, (1000, 1000))
    assert {claim.session: claim.last_beat for claim in queue.claims()} == {
        first: 1000,
        second: None,
    }
    beating.beat()
    assert max(claim.last_beat or 0 for claim in queue.claims()) > 1000
    beating.done()
    beating.beat()
    silent.done()
    assert not list((queue.pool / ".owners").glob("*.beat"))


def test_the_heartbeats_of_a_dead_owner_go_with_it(queue: DirectoryQueue) -> None:
    [name] = names(1)
    (queue.pool / ".claimed" / f"{name}@host-1-abcd+7").touch()
    (queue.pool / ".owners" / "host-1-abcd+7.beat").touch()
    [claim] = queue.claims()
    assert claim.last_beat is not None
    assert queue.recover() == 1
    assert not list((queue.pool / ".owners").glob("*.beat"))


def test_a_queue_that_is_only_looked_at_makes_nothing(tmp_path: Path) -> None:
    queue = DirectoryQueue(tmp_path / "pool", KIND, look_only=True)
    assert (len(queue), queue.order(9), queue.claims(), queue.held(), queue.workers()) == (
        0, [], [], {}, [],
    )  # fmt: skip
    queue.close()
    assert not queue.pool.exists()
