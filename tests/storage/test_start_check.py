"""No program starts over folders that it cannot rely on; and none is refused for a full disk."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import KIND
from support.ports import free_port
from support.small_disk import fill, small_disk
from support.working import Installation

from scai.errors import ConfigError
from scai.processes import EXIT_CONFIG
from scai.settings import ROOT
from scai.storage.start_check import Calls, check_folders


def refuse(error: int) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        raise OSError(error, os.strerror(error))

    return call


def check(tmp_path: Path, calls: Calls | None = None) -> None:
    check_folders(tmp_path / "session", {"icpoolpath": tmp_path / "pool"}, calls or Calls())


def test_good_folders_are_made_and_left_empty(tmp_path: Path) -> None:
    check(tmp_path)
    check(tmp_path)
    assert os.listdir(tmp_path / "session") == os.listdir(tmp_path / "pool") == []


def test_a_folder_that_is_locked_at_this_moment_is_as_good(tmp_path: Path) -> None:
    check(tmp_path)
    folder = os.open(tmp_path / "session", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    check(tmp_path)
    os.close(folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder of another file system."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or os.stat(shm).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def test_two_file_systems_are_refused_with_both_settings(tmp_path: Path, elsewhere: Path) -> None:
    pools = {"icpoolpath": tmp_path / "ic", "odpoolpath": elsewhere / "od"}
    with pytest.raises(ConfigError) as caught:
        check_folders(tmp_path / "session", pools)
    assert caught.value.message == (
        f"expected all folders on one file system, got sessionpath {tmp_path / 'session'} and "
        f"odpoolpath {elsewhere / 'od'} on two"
    )


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, error: int) -> None:
    with pytest.raises(ConfigError, match=r"sessionpath: expected that flock works on .*session"):
        check(tmp_path, Calls(flock=refuse(error)))


def test_locks_that_are_pretended_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected that flock works"):
        check(tmp_path, Calls(flock=lambda descriptor, how: None))


def test_a_rename_that_copies_or_does_nothing_is_refused(tmp_path: Path) -> None:
    for rename in (lambda old, new: None, lambda old, new: os.unlink(old) or os.unlink(new)):
        with pytest.raises(ConfigError, match="expected that rename works in"):
            check(tmp_path, Calls(rename=rename))
    assert os.listdir(tmp_path / "session") == []


def test_what_is_no_folder_is_refused_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "pool").touch()
    with pytest.raises(ConfigError, match="icpoolpath: expected a folder to write into"):
        check(tmp_path)


@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EIO, errno.EROFS]
)
def test_what_may_pass_is_no_wrong_configuration(tmp_path: Path, error: int) -> None:
    check(tmp_path, Calls(rename=refuse(error)))
    check(tmp_path, Calls(flock=refuse(error)))
    check(tmp_path, Calls(device=refuse(error)))


def test_a_disk_without_room_or_inodes_is_no_wrong_configuration(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", inodes=20) as disk:
        fill(disk)
        check(disk)
        (disk / "filler").unlink()
        for number in range(100):
            try:
                (disk / str(number)).touch()
            except OSError:
                break
        check(disk)
        assert not list(disk.rglob(".ready*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "program", [["-m", "scai.cli", "up"], ["index.py"], ["-m", f"workers.{KIND}"]]
)
def test_each_program_stops_with_the_sentence_and_the_status_of_a_wrong_setting(
    tmp_path: Path, elsewhere: Path, program: list[str]
) -> None:
    place = Installation(tmp_path / "place")
    more = {"SCAI_ICPOOLPATH": str(elsewhere / "ic"), "SCAI_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env={**os.environ, **place.environment, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == EXIT_CONFIG
    assert "expected all folders on one file system, got sessionpath" in done.stderr
    assert "Traceback" not in done.stderr
