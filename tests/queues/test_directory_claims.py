"""Claims of the queue that is a directory: files, owners, heartbeats."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.helpers import KIND, Clock, wait_until
from support.queueing import claim_all, claim_sessions, names, put, sessions_in_work

from scai.queues._claims import ClaimFolder
from scai.queues._doorbell import Doorbell
from scai.queues._leases import LeaseWatch
from scai.queues.base import Claim, ClaimStatus
from scai.queues.directory import DirectoryQueue


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


def test_an_idle_claimer_takes_over_from_the_dead_by_itself(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    queue = DirectoryQueue(pool, KIND, sweep=0.2)
    [name] = names(1)
    (pool / ".claimed" / f"{name}@nobody-1-ab").touch()
    assert claim_sessions(queue, timeout=20) == [name]
    queue.close()


def test_many_threads_that_claim_at_once_make_one_doorbell(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    bells: list[object] = []
    several = threading.Event()

    def listen(ring: Callable[[], None]) -> None:
        bells.append(ring)
        if len(bells) > 1:
            several.set()
        several.wait(0.2)  # the others come meanwhile
        queue._arrivals = quiet

    quiet = Doorbell(queue.pool, lambda name: None, "arrivals", lambda: None)
    monkeypatch.setattr(queue, "listen_for_arrivals", listen)
    threads = [threading.Thread(target=queue.claim, args=(1, 0)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bells) == 1


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


@pytest.mark.parametrize(
    ("claimers", "jobs"), [(4, 1000), pytest.param(32, 10_000, marks=pytest.mark.slow)]
)
def test_claimers_share_the_jobs_and_none_is_claimed_twice(
    tmp_path: Path, claimers: int, jobs: int
) -> None:
    pool = tmp_path / "pool"
    queue = DirectoryQueue(pool, KIND, doorbell=False)
    waiting_names = names(jobs)
    for name in waiting_names:
        (pool / name).touch()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=claim_all, args=(str(pool), KIND, results)) for _ in range(claimers)
    ]
    for process in processes:
        process.start()
    shares = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(name for share in shares for name in share) == waiting_names
    assert len(queue) == 0
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


class Broken:
    """A call of a disk that answers with an error."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        raise OSError(self.number, os.strerror(self.number))


def others_come_in(monkeypatch: pytest.MonkeyPatch, at: int, act: Callable[[], object]) -> None:
    """Let others do `act` before the call number `at` that renames or looks at a file."""
    calls = itertools.count()

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(calls) == at:
                act()
            return real(*arguments)

        return call

    for name in ("rename", "lstat", "unlink"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("others", ["withdraw", "recover", "both", "claim", "put"])
def test_a_job_that_is_given_back_while_others_come_in_is_never_lost(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch, others: str, at: int
) -> None:
    """A client has put the ticket anew, so ticket and claim are two names of one file."""
    [name] = names(1)
    put(queue, name)
    claim = queue.claim_one(name)
    assert claim is not None
    put(queue, name)
    other = DirectoryQueue(queue.pool, KIND, doorbell=False)
    withdrawn: list[bool] = []

    def come_in() -> None:
        if others in ("recover", "both"):
            other._claims.give_back(claim.token)  # its owner was silent
        if others in ("withdraw", "both"):
            withdrawn.append(other.withdraw(name))
        if others == "claim":
            other.claim_one(name)
        if others == "put":
            put(other, name)

    with monkeypatch.context() as patches:
        others_come_in(patches, at, come_in)
        claim.give_back()
    assert not claim.is_current(claim.token)
    if withdrawn != [True]:
        assert queue.has(name)
    mine = [one for one in queue.claims() if one.owner == queue.owner.id]
    assert mine == [], "it is not claimed any more"
    other.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM, errno.EACCES])
def test_a_disk_that_does_not_tell_makes_no_job_and_no_claim_look_gone(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    waits, taken = names(2)
    put(queue, taken)
    claim = queue.claim_one(taken)
    assert claim is not None
    put(queue, waits)
    queue.refresh()
    with monkeypatch.context() as patches:
        patches.setattr(os, "lstat", broken := Broken(number))
        for look in (
            lambda: queue.waits(waits),
            lambda: queue.has(waits),
            lambda: claim.is_current(claim.token),
            queue.next_waiting,
        ):
            with pytest.raises(OSError) as refused:
                look()
            assert refused.value.errno == number
        assert broken.calls == 4
    assert queue.waits(waits) and queue.has(taken) and claim.is_current(claim.token)
    queue.refresh()
    assert queue.next_waiting() == waits


@pytest.mark.parametrize("ask", ["has", "withdraw"])
def test_a_job_given_back_and_claimed_again_between_two_looks_is_seen(
    queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    [name] = names(1)
    put(queue, name)
    claim = queue.claim_one(name)
    assert claim is not None
    real, looks = ClaimFolder.has, itertools.count()

    def has(claims: ClaimFolder, session: str) -> bool:
        if next(looks):
            return real(claims, session)
        assert claim is not None
        claim.give_back()
        found = real(claims, session)
        assert queue.claim_one(name) is not None
        return found

    monkeypatch.setattr(ClaimFolder, "has", has)
    assert queue.has(name) if ask == "has" else not queue.withdraw(name)
    assert queue.claimed() == {name: queue.owner.id}


def test_claims_named_by_an_earlier_release_come_back(queue: DirectoryQueue) -> None:
    [name] = names(1)
    (queue.pool / ".claimed" / f"{name}@host-1-abcd").touch()
    assert queue.claims() == [ClaimStatus(name, "host-1-abcd")]
    assert queue.recover() == 1
    assert list(queue.waiting()) == [name]


def test_a_heartbeat_is_the_time_of_a_file_of_its_owner(queue: DirectoryQueue) -> None:
    put(queue, *names(1))
    queue.claim(1, 0)
    queue.beat()
    beat = queue.pool / ".owners" / f"{queue.owner.id}.beat"
    os.utime(beat, (1000, 1000))
    assert [claim.last_beat for claim in queue.claims()] == [1000]
    queue.beat()
    assert beat.stat().st_mtime > 1000
    queue.close()
    assert not beat.exists()


def test_the_heartbeats_of_a_dead_owner_go_with_it(queue: DirectoryQueue) -> None:
    [name] = names(1)
    (queue.pool / ".claimed" / f"{name}@host-1-abcd+7").touch()
    (queue.pool / ".owners" / "host-1-abcd.beat").touch()
    [claim] = queue.claims()
    assert claim.last_beat is not None
    assert queue.recover() == 1
    assert not list((queue.pool / ".owners").glob("*.beat"))


@pytest.mark.parametrize("step", [86_400.0, -86_400.0])
def test_a_step_of_the_systems_clock_neither_ends_nor_prolongs_a_lease(
    tmp_path: Path, step: float
) -> None:
    """Heartbeats are times of the system's clock: after a step, they lie days away."""
    clock, pool = Clock(0.0), tmp_path / "pool"
    worker = DirectoryQueue(pool, KIND)
    watcher = DirectoryQueue(pool, KIND, leases=LeaseWatch(60, clock))
    put(worker, *names(1))
    worker.beat()
    worker.claim(1, 0)
    beat = pool / ".owners" / f"{worker.owner.id}.beat"

    def watch(seconds: int) -> int:
        count = 0
        for _ in range(seconds):
            clock.now += 1
            count += watcher.recover()
        return count

    assert watch(30) == 0
    moment = beat.stat().st_mtime + step
    os.utime(beat, (moment, moment))  # the first heartbeat after the step
    assert watch(59) == 0
    assert watch(3) == 1
    watcher.close()
    worker.close()
