"""What waits is counted cheaply, by kind, bytes and client, and there is an end to it."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.helpers import KIND, Clock

from scai.errors import Busy, ClientLimit, StorageFull
from scai.jobs.amounts import Amounts
from scai.jobs.backpressure import Backpressure
from scai.jobs.ledger import account_of
from scai.queues.memory import MemoryQueue
from scai.settings import Settings
from scai.storage.session import Session, Upload
from scai.storage.space import Room, Space

DRAWN = "object_detection"
MB = 1_000_000


class Watched(MemoryQueue):
    """A queue that counts its readings, each of which takes `takes` seconds of the clock."""

    def __init__(self, kind: str, clock: Clock) -> None:
        super().__init__(kind)
        self.clock, self.takes, self.readings = clock, 0.0, 0

    def waiting(self) -> list[str]:  # type: ignore[override]
        self.readings += 1
        self.clock.now += self.takes
        return list(super().waiting())


class Bench:
    """Bounds over two queues in memory, with a clock and a disk that a test sets by hand."""

    def __init__(self, folder: Path, **changes: float) -> None:
        self.clock = Clock(1000.0)
        self.settings = dataclasses.replace(Settings(), sessionpath=folder, **changes)
        self.queues = {kind: Watched(kind, self.clock) for kind in (KIND, DRAWN)}
        self.disk = Space(Room(1e12, 1e9), Room(1e13, 1e10))
        self.amounts = Amounts(
            self.settings, self.queues, clock=self.clock, free=lambda folder: self.disk
        )
        self.looks: list[Callable[[], None]] = []
        self.backpressure = Backpressure(
            self.settings, self.amounts, self.clock, run=self.looks.append
        )
        self.names = 0

    def upload(self, client: str = "", size: int = 1000, kind: str = KIND, written=False) -> str:
        with self.backpressure.admit(kind, client, size, written=written) as place:
            name = f"d-20260101-{self.names:040x}"
            self.names += 1
            self.queues[kind].place(name)
            place.session = name
        return name

    def finish(self, count: int = 1, kind: str = KIND) -> None:
        for claim in self.queues[kind].claim(count, 0):
            claim.done()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def refused(bench: Bench, **arguments: object) -> Exception:
    with pytest.raises((Busy, ClientLimit, StorageFull)) as caught:
        bench.upload(**arguments)  # type: ignore[arg-type]
    return caught.value


def test_a_count_is_good_for_longer_the_longer_it_took(bench: Bench) -> None:
    queue = bench.queues[KIND]
    queue.takes = 1.0
    for _ in range(50):
        bench.upload()
        bench.clock.now += 1
    assert queue.readings == 1
    bench.clock.now += 60
    bench.upload()
    assert queue.readings == 2


def test_those_who_were_admitted_since_the_count_are_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=3)
    for _ in range(3):
        bench.upload()
    assert isinstance(refused(bench), Busy)
    bench.upload(kind=DRAWN)


def test_a_queue_that_seemed_full_is_counted_again_after_a_second(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=1)
    bench.upload()
    refused(bench)
    readings = bench.queues[KIND].readings
    refused(bench)
    assert bench.queues[KIND].readings == readings
    bench.finish()
    bench.clock.now += 1.1
    bench.upload()


def test_an_upload_that_is_not_stored_leaves_no_trace_in_the_sums(bench: Bench) -> None:
    with pytest.raises(OSError), bench.backpressure.admit(KIND, "one", 1000):
        assert bench.amounts.of("one") == (1, 1000)
        assert bench.amounts.coming == 1000
        raise OSError(28, "No space left on device")
    assert bench.amounts.unfinished() == (0, 0)
    assert bench.amounts.of("one") == (0, 0) and bench.amounts.coming == 0


def test_bytes_are_bounded_over_all_kinds_together(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting_mb=1.0)
    bench.upload(size=600_000)
    error = refused(bench, size=600_000, kind=DRAWN)
    assert isinstance(error, Busy) and error.details["setting"] == "max_waiting_mb"
    bench.upload(size=300_000)
    bench.finish()
    bench.clock.now += 1.1
    bench.upload(size=600_000)


def test_one_upload_larger_than_the_bound_passes_when_nothing_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting_mb=1.0)
    bench.upload(size=2 * MB)
    refused(bench, size=1)


def test_a_client_has_bounds_of_its_own_and_the_others_go_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting_per_client=2)
    bench.upload("one"), bench.upload("one", kind=DRAWN)
    error = refused(bench, client="one")
    assert isinstance(error, ClientLimit) and error.status == 429
    assert error.details["setting"] == "max_waiting_per_client" and error.details["limit"] == 2
    bench.upload("two"), bench.upload()
    bench.finish()
    bench.clock.now += 1.1
    bench.upload("one")


def test_the_bytes_of_a_client_are_bounded_and_0_is_no_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting_mb_per_client=1.0, max_waiting_per_client=0)
    for _ in range(9):
        bench.upload("one", size=100_000)
    error = refused(bench, client="one", size=200_000)
    assert isinstance(error, ClientLimit)
    assert error.details["setting"] == "max_waiting_mb_per_client"
    open_bench = Bench(tmp_path, max_waiting_mb_per_client=0.0, max_waiting_per_client=0)
    for _ in range(60):
        open_bench.upload("one", size=MB)


def test_a_claimed_job_still_belongs_to_its_client_and_a_finished_one_does_not(
    bench: Bench,
) -> None:
    bench.upload("one")
    [claim] = bench.queues[KIND].claim(1, 0)
    bench.clock.now += 200
    bench.amounts.refresh()
    assert bench.amounts.of("one") == (1, 1000)
    claim.done()
    bench.clock.now += 200
    bench.amounts.refresh()
    assert bench.amounts.of("one") == (0, 0) and bench.amounts.unfinished() == (0, 0)


def test_a_photo_that_its_client_removes_counts_no_longer(bench: Bench) -> None:
    name = bench.upload("one")
    bench.amounts.ledgers[KIND].forget(name)
    assert bench.amounts.of("one") == (0, 0)
    name = bench.upload("one")
    bench.clock.now += 200
    bench.amounts.refresh()
    bench.amounts.ledgers[KIND].forget(name)
    assert bench.amounts.of("one") == (0, 0)


def test_jobs_of_shell_clients_count_by_the_size_of_a_few_of_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    queue = bench.queues[KIND]
    sizes = set()
    for _ in range(50):
        session = Session.create(tmp_path, KIND, Upload(b"x" * 5000, ".jpg"), queue=queue)
        sizes.add(session.size())
    bench.upload(size=1234)
    bench.amounts.refresh()
    unfinished = bench.amounts.unfinished()
    assert unfinished.jobs == 51
    assert 50 * min(sizes) + 1234 <= unfinished.bytes <= 50 * max(sizes) + 1234


def test_a_full_disk_refuses_and_leaves_room_for_the_verdicts_of_all_that_wait(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, min_free_mb=100.0, min_free_inodes=0)
    bench.disk = Space(Room(200 * MB, 1e6), Room(10_000 * MB, 1e7))
    # Each will need ten times its size for its annotated picture.
    for _ in range(8):
        bench.upload(size=MB, kind=DRAWN, written=True)
    error = refused(bench, size=5 * MB, kind=DRAWN)
    assert isinstance(error, StorageFull) and error.details["retry_after"] == 60
    # Of the 200 MB that are free, some 80 are promised to verdicts, and 100 stay free.
    assert bench.amounts.left(bench.disk).bytes == pytest.approx(20 * MB, abs=MB / 2)
    bench.upload(size=5 * MB)
    bench.finish(20, DRAWN)
    bench.clock.now += 1.1
    bench.upload(size=5 * MB, kind=DRAWN)


def test_out_of_inodes_is_out_of_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path, min_free_inodes=1000)
    bench.disk = Space(Room(1e12, 1005), Room(1e13, 1e6))
    assert isinstance(refused(bench), StorageFull)
    bench.disk = Space(Room(1e12, 1007), Room(1e13, 1e6))
    bench.upload()
    bench.disk = Space(Room(1e12, math.inf), Room(1e13, math.inf))
    bench.upload()


def test_a_small_disk_keeps_a_twentieth_free_at_most() -> None:
    small = Space(Room(0, 0), Room(40 * MB, 4000))
    assert small.floor(Room(500 * MB, 10_000)) == Room(2 * MB, 200)
    large = Space(Room(0, 0), Room(1e13, math.inf))
    assert large.floor(Room(500 * MB, 10_000)) == Room(500 * MB, 0)


def test_bodies_that_arrive_are_kept_room_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, min_free_mb=0.0)
    bench.disk = Space(Room(10 * MB, 1e6), Room(1000 * MB, 1e7))
    bench.backpressure.check(KIND, "", 9 * MB)
    with bench.backpressure.announced(9 * MB), pytest.raises(StorageFull):
        bench.backpressure.check(KIND, "", 9 * MB)
    bench.backpressure.check(KIND, "", 9 * MB)


def test_a_disk_that_cannot_be_read_refuses_nothing_here(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "missing")
    bench.amounts = Amounts(bench.settings, bench.queues, clock=bench.clock)
    Backpressure(bench.settings, bench.amounts).check(KIND, "", 1000)
    assert bench.amounts.shortage() == Room()


def test_who_is_refused_is_told_by_the_measured_rate_when_to_come_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=1000, max_waiting_per_client=1000)
    for _ in range(1000):
        bench.upload("one")
    # Nothing was measured yet.
    assert refused(bench).details["retry_after"] == 60  # type: ignore[attr-defined]
    for _ in range(10):
        bench.clock.now += 2
        bench.finish(4)
        bench.amounts.refresh(soon=True)
        for _ in range(4):
            bench.upload("one")
    # Two jobs a second: ten more have room after five seconds.
    assert refused(bench).details["retry_after"] == 5  # type: ignore[attr-defined]
    limit = refused(bench, client="one")
    assert isinstance(limit, ClientLimit) and limit.details["retry_after"] == 5
    assert f"{limit.details['retry_after']} s" in limit.message


def test_a_queue_that_stands_still_tells_the_longest_wait(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=10)
    for _ in range(10):
        bench.upload()
    for _ in range(5):
        bench.clock.now += 2
        bench.amounts.refresh(soon=True)
    assert refused(bench).details["retry_after"] == 600  # type: ignore[attr-defined]


def test_what_is_refused_is_counted_by_its_code(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=1)
    bench.upload()
    refused(bench), refused(bench)
    assert bench.backpressure.refusals == {"busy": 2, "client_limit": 0, "storage_full": 0}


def test_uploads_at_once_never_pass_a_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=1000, max_waiting_per_client=50)
    taken: list[int] = []
    started = threading.Barrier(8)

    def send() -> None:
        started.wait()
        for _ in range(20):
            try:
                with bench.backpressure.admit(KIND, "one", 10) as place:
                    place.session = f"d-20260101-{len(taken):020x}{threading.get_ident():020x}"
                    taken.append(1)
            except ClientLimit:
                pass

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 50


def test_the_addresses_of_one_network_are_one_client() -> None:
    assert account_of("2001:db8:1:2:3::1") == account_of("2001:db8:1:2::9")
    assert account_of("2001:db8:1:2::1") != account_of("2001:db8:1:3::1")
    assert account_of("::ffff:10.0.0.1") == account_of("10.0.0.1") == "10.0.0.1"
    assert account_of("fe80::1%eth0") == account_of("fe80::2%eth0")
    assert account_of("no:address") == "no:address" and account_of("") == ""


def test_the_usage_names_what_is_in_use(bench: Bench) -> None:
    bench.upload("one", size=5000), bench.upload("two", size=5000)
    usage = bench.amounts.usage()
    assert usage["waiting_bytes"] == 10_000 and usage["clients"] == 2
    assert usage["reserved_bytes"] == 2 * 8192 and usage["floor_bytes"] == 500 * MB
    assert usage["free_inodes"] == 1e9 and usage["floor_inodes"] == 10_000


def test_the_shortage_is_what_lacks_to_so_many_floors(tmp_path: Path) -> None:
    bench = Bench(tmp_path, min_free_mb=100.0, min_free_inodes=0)
    bench.disk = Space(Room(150 * MB, 1e6), Room(10_000 * MB, 1e7))
    assert bench.amounts.shortage() == Room()
    assert bench.amounts.shortage(2.0) == Room(50 * MB, 0)


def test_a_queue_that_cannot_be_read_refuses_nobody_by_itself(bench: Bench) -> None:
    def fail() -> list[str]:
        raise OSError(24, "Too many open files")

    bench.upload()
    bench.queues[KIND].waiting = fail  # type: ignore[method-assign]
    bench.clock.now += 200
    bench.upload()
    with pytest.raises(OSError):
        bench.amounts.shortage()


def test_a_flood_at_ten_times_the_speed_of_work_stays_within_all_bounds(tmp_path: Path) -> None:
    """Clients of two kinds: one that sends all the time, and twenty that come back when told."""
    bench = Bench(tmp_path, max_waiting=300, max_waiting_per_client=100, max_waiting_mb=0.25)
    back_at = {f"10.0.0.{number}": 0.0 for number in range(20)}
    taken, most, most_bytes = 0, 0, 0
    for _ in range(600):
        bench.clock.now += 1
        bench.finish(5)
        senders = ["greedy"] * 40
        senders += [client for client, at in back_at.items() if at <= bench.clock.now]
        for client in senders[:50]:
            try:
                bench.upload(client, size=1000)
                taken += 1
            except (Busy, ClientLimit) as error:
                assert 1 <= error.details["retry_after"] <= 600
                if client in back_at:
                    back_at[client] = bench.clock.now + error.details["retry_after"]
        most = max(most, len(bench.queues[KIND]))
        most_bytes = max(most_bytes, bench.amounts.unfinished().bytes)
        assert bench.amounts.of("greedy").jobs <= 100
    assert most <= 250 and most_bytes <= 250_000
    assert 2900 <= taken <= 3300, "no more than was worked off, and nothing lay idle"
    bench.finish(10_000)
    bench.clock.now += 1000
    bench.amounts.refresh()
    ledger = bench.amounts.ledgers[KIND]
    assert bench.amounts.unfinished() == (0, 0) and ledger.clients == 0


def test_a_glance_goes_by_the_last_look_and_makes_none_itself(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_waiting=1)
    bench.upload()
    bench.clock.now += 5
    readings = bench.queues[KIND].readings
    bench.backpressure.glance(KIND, "", 9 * MB)  # nobody has looked yet
    assert bench.queues[KIND].readings == readings and len(bench.looks) == 1
    bench.looks.pop()()
    readings = bench.queues[KIND].readings
    with pytest.raises(Busy):
        bench.backpressure.glance(KIND, "", 9 * MB)
    assert bench.backpressure.refusals["busy"] == 1
    bench.backpressure.glance(DRAWN, "", 9 * MB)
    bench.clock.now += 5
    bench.backpressure.glance(KIND, "", 9 * MB)  # that look was long ago
    assert bench.queues[KIND].readings == readings and len(bench.looks) == 1


def test_a_glance_knows_the_room_on_the_disk(bench: Bench) -> None:
    bench.disk = Space(Room(1e9, 1e9), Room(1e13, 1e10))
    bench.backpressure.glance(KIND, "", 999 * MB)
    bench.looks.pop()()
    with pytest.raises(StorageFull):
        bench.backpressure.glance(KIND, "", 999 * MB)
