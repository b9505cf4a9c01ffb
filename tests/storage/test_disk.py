"""What the one module that writes shared files promises."""

import os
import threading
from pathlib import Path

import pytest

from scai.errors import ConfigError, StorageFull
from scai.storage.disk import Disk, storage_error


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every fsync with the path that was flushed, in order."""
    done: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return done


@pytest.mark.parametrize("policy", ["always", "group"])
def test_a_published_file_is_flushed_before_its_rename_and_its_directory_after(
    tmp_path: Path, flushes: list[str], policy: str
) -> None:
    Disk(policy).publish(tmp_path / "a.json", b"{}")
    assert (tmp_path / "a.json").read_bytes() == b"{}"
    assert len(flushes) == 2
    assert Path(flushes[0]).name.startswith(".a.json.")
    assert flushes[1] == str(tmp_path)


def test_policy_off_flushes_nothing(tmp_path: Path, flushes: list[str]) -> None:
    Disk("off").publish(tmp_path / "a", b"x")
    assert flushes == []


def test_a_failed_write_leaves_the_old_content_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk("always")
    disk.publish(tmp_path / "a", b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError):
        disk.publish(tmp_path / "a", b"new")
    assert [f.name for f in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_drafts_are_all_flushed_before_the_first_appears_and_the_rest_is_removed(
    tmp_path: Path, flushes: list[str]
) -> None:
    files = {"a": b"1", "b": b"2", "c": b"3"}
    with Disk("group").drafts(tmp_path, files) as place:
        assert sorted(Path(path).name[:3] for path in flushes) == [".a.", ".b.", ".c."]
        place("b")
        assert (tmp_path / "b").read_bytes() == b"2"
        place("a")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a", "b"]


def test_one_flush_that_fails_lets_no_draft_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refuse_b(descriptor: int) -> None:
        if "/.b." in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_b)
    with (
        pytest.raises(OSError),
        Disk("group").drafts(tmp_path, {"a": b"1", "b": b"2", "c": b"3"}) as place,
    ):
        place("a")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sees_a_file_half_written(tmp_path: Path) -> None:
    disk, target = Disk("off"), tmp_path / "f"
    contents = [bytes([65 + n]) * 200_000 for n in range(2)]
    disk.publish(target, contents[0])
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            disk.publish(target, contents[n % 2])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(target.read_bytes() in contents for _ in range(300))
    finally:
        stop.set()
        writer.join()


def test_concurrent_flushes_of_one_directory_share_and_each_begins_after_its_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a slow disk on which the first flush is held up
    began, may_end, count = threading.Event(), threading.Event(), []
    real = os.fsync

    def slow(descriptor: int) -> None:
        count.append(1)
        began.set()
        may_end.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    disk = Disk("group")
    first = threading.Thread(target=disk.sync_directory, args=(tmp_path,))
    first.start()
    assert began.wait(10)
    # When twenty more ask while it runs
    others = [threading.Thread(target=disk.sync_directory, args=(tmp_path,)) for _ in range(20)]
    for thread in others:
        thread.start()
    deadline = threading.Event()
    for _ in range(500):
        if disk._shared[str(tmp_path)].users == 21:
            break
        deadline.wait(0.01)
    may_end.set()
    for thread in [first, *others]:
        thread.join(10)
    # Then one more flush served them all: not the running one, which began too early
    assert len(count) == 2


def test_everybody_who_shared_a_failed_flush_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, told = threading.Event(), threading.Event(), []

    def failing(descriptor: int) -> None:
        began.set()
        may_end.wait(10)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    disk = Disk("group")

    def ask() -> None:
        try:
            disk.sync_directory(tmp_path)
        except OSError as error:
            told.append(error.errno)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert began.wait(10)
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert told == [5] * 5


def test_a_full_disk_is_a_storage_error_and_a_wrong_policy_a_sentence() -> None:
    assert isinstance(storage_error(OSError(28, "full")), StorageFull)
    with pytest.raises(ConfigError, match="durability must be one of always, group, off"):
        Disk("sometimes")
