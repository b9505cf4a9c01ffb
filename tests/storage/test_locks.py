"""Locks between processes, and how long they are waited for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scai.errors import NotFound
from scai.storage.locks import flock, folder_lock


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_lock_is_ones_own_until_its_file_is_closed(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        assert flock(first)
        with folder_lock(tmp_path, 0, "none") as ours:
            assert not ours
    with folder_lock(tmp_path, 0, "none") as ours:
        assert ours


def test_shared_locks_exclude_only_locks_that_are_not_shared(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as two, opened(tmp_path) as three:
        assert flock(one, shared=True) and flock(two, shared=True)
        assert not flock(three)


def test_a_lock_that_is_released_in_time_is_waited_for(tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY)
    assert flock(held)
    timer = threading.Timer(0.05, os.close, [held])
    timer.start()
    with folder_lock(tmp_path, 30, "none") as ours:
        assert ours
    timer.join()


def test_a_folder_keeps_its_lock_through_a_rename(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with opened(tmp_path / "new") as folder:
        assert flock(folder)
        (tmp_path / "new").rename(tmp_path / "ready")
        with folder_lock(tmp_path / "ready", 0, "none") as ours:
            assert not ours


@pytest.mark.parametrize("kind", ["absent", "file", "link"])
def test_only_a_folder_is_locked(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotFound, match="no such batch"):
        with folder_lock(tmp_path / kind, 0, "no such batch"):
            pass


def test_an_error_of_the_block_is_not_taken_for_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        with folder_lock(tmp_path, 0, "none"):
            raise FileNotFoundError
