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
    with Disk("group").drafts(tmp_path, files) as drafts:
        assert sorted(Path(path).name[:3] for path in flushes) == [".a.", ".b.", ".c."]
        drafts.place("b")
        assert (tmp_path / "b").read_bytes() == b"2"
        drafts.place("a")
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
        Disk("group").drafts(tmp_path, {"a": b"1", "b": b"2", "c": b"3"}) as drafts,
    ):
        drafts.place("a")
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


def test_a_full_disk_is_a_storage_error_and_a_wrong_policy_a_sentence() -> None:
    assert isinstance(storage_error(OSError(28, "full")), StorageFull)
    with pytest.raises(ConfigError, match="durability must be one of always, group, off"):
        Disk("sometimes")
