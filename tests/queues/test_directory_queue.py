"""What is special about the queue that is a directory."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import KIND, wait_until
from support.queueing import claim_sessions, names, put

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


def test_the_folders_are_made_when_missing(tmp_path: Path) -> None:
    queue = DirectoryQueue(tmp_path / "a" / "b", KIND)
    put(queue, *names(1))
    assert os.listdir(tmp_path / "a" / "b")
    queue.close()


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


def test_a_queue_that_is_only_looked_at_makes_nothing(tmp_path: Path) -> None:
    queue = DirectoryQueue(tmp_path / "pool", KIND, look_only=True)
    assert (len(queue), queue.order(9), queue.claims(), queue.held(), queue.workers()) == (
        0, [], [], {}, [],
    )  # fmt: skip
    queue.close()
    assert not queue.pool.exists()
