"""Every call that an upload or a verdict makes to the disk fails once, and nothing is half done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faulty_disk import CALLS, FaultyDisk
from support.helpers import open_below

from scai.errors import ImageTooLarge
from scai.queues.directory import DirectoryQueue
from scai.storage.batch import Batch
from scai.storage.disk import Disk
from scai.storage.session import Session, Upload

KIND = "image_classification"
Make = Callable[..., Session]
_ERROR = ImageTooLarge("too large")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE)


class Folder:
    """A session folder and a queue of their own."""

    def __init__(self, path: Path, *, large: bool = False) -> None:
        self.path = path
        self.root = path / "session"
        self.root.mkdir(parents=True)
        self.disk = Disk("always")
        self.queue = DirectoryQueue(path / "pool", KIND, doorbell=False, disk=self.disk)
        self._large = large

    def upload(self) -> Session:
        upload = Upload(b"x" * 50_000, ".jpg")
        if self._large:
            (self.root / ".up-1").write_bytes(b"x" * 50_000)
            upload = Upload(b"", ".jpg", "", self.root / ".up-1")
        return Session.create(self.root, KIND, upload, queue=self.queue, disk=self.disk)

    def sessions(self) -> list[str]:
        return [name for name in os.listdir(self.root) if name.startswith("d-")]


def calls_of(act: Callable[[], object], folder: Path) -> list[tuple[str, int]]:
    """Every call that `act` makes to the disk, by its kind and number."""
    with FaultyDisk(folder) as disk:
        act()
    return [(call, index) for call in CALLS for index in range(disk.counts[call])]


@pytest.mark.parametrize("large", [False, True])
def test_an_upload_is_refused_and_leaves_nothing_or_is_accepted_and_whole(
    tmp_path: Path, large: bool
) -> None:
    count = Folder(tmp_path / "count", large=large)
    calls = calls_of(count.upload, count.path)
    count.queue.close()
    kinds = {call for call, _ in calls}
    assert {"write", "fsync", "close", "rename" if large else "replace"} <= kinds
    for number, (call, index) in enumerate(calls):
        what = f"{call} {index}"
        folder = Folder(tmp_path / str(number), large=large)
        error = ERRORS[number % len(ERRORS)]
        with FaultyDisk(folder.path, call, index, error) as disk:
            try:
                session = folder.upload()
            except OSError as problem:
                assert problem.errno == error, what
                assert folder.sessions() == [] and len(folder.queue) == 0, what
                # What could not be removed has a name that nobody takes for a session.
                left = [name for name in os.listdir(folder.root) if not name.startswith(".up-")]
                assert all(name.startswith(".new-") for name in left), what
                assert folder.disk.failures >= (call in ("write", "fsync", "replace")), what
            else:
                assert session.record()["state"] == "initialization", what
                assert session.input_path.read_bytes() == b"x" * 50_000, what
                assert list(folder.queue.waiting()) == [session.name], what
        assert disk.again == [], f"{what}: flushed again after its flush failed"
        assert open_below(folder.path) == [], what
        folder.queue.close()


@pytest.mark.parametrize("failed", [False, True])
def test_a_verdict_is_published_whole_by_the_next_try(tmp_path: Path, failed: bool) -> None:
    verdict = {"predictions": [1, 2]}

    def publish(session: Session) -> bool:
        if failed:
            return session.fail(_ERROR)
        return session.complete(verdict, picture=b"png" * 1000)

    count = Folder(tmp_path / "count")
    session = count.upload()
    calls = calls_of(lambda: publish(session), count.path)
    count.queue.close()
    for number, (call, index) in enumerate(calls):
        what = f"{call} {index}"
        folder = Folder(tmp_path / str(number))
        session = folder.upload()
        error = ERRORS[number % len(ERRORS)]
        with FaultyDisk(folder.path, call, index, error) as disk:
            try:
                assert publish(session), what
            except OSError as problem:
                assert problem.errno == error, what
                _check_whole_if_final(session, what, failed)
                # The worker tries again, as long as it takes; the same object knows what it wrote.
                before = disk.counts["fsync"]
                assert publish(session), what
                assert disk.counts["fsync"] >= before + 4, f"{what}: not all was flushed anew"
        assert disk.again == [], f"{what}: flushed again after its flush failed"
        assert open_below(folder.path) == [], what
        assert session.state in ("complete", "failure"), what
        _check_whole_if_final(session, what, failed)
        assert not publish(session), f"{what}: a verdict never changes"
        folder.queue.close()


@pytest.mark.parametrize("first", ["complete", "failure"])
def test_a_verdict_that_was_seen_and_may_not_be_on_the_disk_is_replaced_by_no_other(
    tmp_path: Path, first: str
) -> None:
    folder = Folder(tmp_path)
    session = folder.upload()

    def publish(given: Session, state: str) -> bool:
        if state == "failure":
            return given.fail(_ERROR)
        return given.complete({"predictions": [1, 2]}, picture=b"png" * 1000)

    # Two threads have the same job in hand; of the first one's verdict, only the last flush fails.
    last = {"complete": 4, "failure": 3}[first]
    with session.lock() as ours, FaultyDisk(tmp_path, "fsync", last), pytest.raises(OSError):
        assert ours is not None
        publish(ours, first)
    assert session.state == first
    seen = {file.name: file.read_bytes() for file in session.path.iterdir()}
    with session.lock() as ours, FaultyDisk(tmp_path) as disk:
        assert ours is not None
        assert not publish(ours, "complete" if first == "failure" else "failure")
    assert disk.counts["fsync"] == last + 1, "all of it was flushed anew"
    assert {file.name: file.read_bytes() for file in session.path.iterdir()} == seen
    # Nothing is left to do, unless a person lets it run anew.
    assert not publish(session, first)
    assert session.reopen(0.0)
    assert publish(session, "complete") and session.state == "complete"
    folder.queue.close()


def _check_whole_if_final(session: Session, what: str, failed: bool) -> None:
    result = session.result()
    if result["state"] == "complete":
        assert result["predictions"] == [1, 2], what
        assert session.picture_path is not None, what
        assert session.picture_path.read_bytes() == b"png" * 1000, what
    elif result["state"] == "failure":
        assert failed and result["code"] == "image_too_large", what


def test_lines_of_a_batch_are_all_there_or_none_and_a_doubtful_file_is_left(
    tmp_path: Path,
) -> None:
    def new_batch(path: Path) -> Batch:
        path.mkdir()
        batch = Batch.create(path, KIND, {}, disk=Disk("always"))
        batch.append([{"name": "first", "error": "x"}])
        return batch

    count = new_batch(tmp_path / "count")
    calls = calls_of(lambda: count.append([{"name": "second", "error": "y"}]), count.path)
    for number, (call, index) in enumerate(calls):
        batch = new_batch(tmp_path / str(number))
        with FaultyDisk(batch.path, call, index) as disk:
            try:
                batch.append([{"name": "second", "error": "y"}])
                names = ["first", "second"]
            except OSError:
                names = ["first"]
            if call != "close":
                assert [line["name"] for line in batch.lines(0)[0]] == names, f"{call} {index}"
            batch.append([{"name": "third", "error": "z"}])
        assert disk.again == [], f"{call} {index}"
        assert [line["name"] for line in batch.lines(0)[0]][-1] == "third"
        assert set(os.listdir(batch.path)) == {"batch.json", "items.jsonl"}


def test_a_claimed_session_stays_when_its_upload_fails_too_late(tmp_path: Path) -> None:
    """A worker was faster than the flush that failed: its job must not lose its session."""
    folder = Folder(tmp_path)
    claims = []

    class Claimed(DirectoryQueue):
        def flush(self, ticket: object) -> None:
            claims.extend(folder.queue.claim(1, 0))
            raise OSError(errno.EIO, "Input/output error")

    queue = Claimed(tmp_path / "pool", KIND, doorbell=False)
    with pytest.raises(OSError):
        Session.create(folder.root, KIND, Upload(b"x", ".jpg"), queue=queue, disk=folder.disk)
    [claim] = claims
    assert Session(folder.root, claim.job.session).complete({"predictions": []})
    queue.close(), folder.queue.close()


def test_the_disk_counts_what_it_refused(tmp_path: Path) -> None:
    disk = Disk("always")
    for call in ("write", "fsync", "close", "replace"):
        with FaultyDisk(tmp_path, call, 0), pytest.raises(OSError):
            disk.publish(tmp_path / "file", b"data")
    assert disk.failures == 4
    with pytest.raises(FileNotFoundError):
        disk.publish(tmp_path / "no" / "file", b"data")
    assert disk.failures == 4, "a folder that is gone is no fault of the disk"


def test_a_session_goes_also_where_a_full_disk_takes_no_further_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    session = folder.upload()
    session.complete({"predictions": []})
    with FaultyDisk(tmp_path, "rename", 0, errno.ENOSPC):
        assert session.remove() > 50_000
    assert folder.sessions() == []
    other = folder.upload()
    with FaultyDisk(tmp_path, "rename", 0, errno.EIO), pytest.raises(OSError):
        other.remove()
    assert other.record()["state"] == "initialization"
    folder.queue.close()
