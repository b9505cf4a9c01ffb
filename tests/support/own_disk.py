"""A file system of a test's own that can be made to hang, or to fail. It needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.helpers import wait_until


class OwnDisk:
    """An ext4 file system in the file `image`, mounted at `path`."""

    def __init__(self, image: Path, path: Path) -> None:
        self.image = image
        self.path = path

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let every write wait until the block ends."""
        _run("fsfreeze", "--freeze", str(self.path))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self.path))

    def fail(self) -> None:
        """Refuse every write from now on, as ext4 does after an error of its disk."""
        _run("mount", "-o", "remount,abort", str(self.path))

    def repair(self) -> None:
        """Check the file system and mount it anew, as a start of the machine does."""
        # The last process that used it may be about to end.
        wait_until(lambda: _succeeds("umount", str(self.path)), 20, "nobody uses the disk")
        # Status 1: errors were corrected.
        checked = subprocess.run(["e2fsck", "-fy", str(self.image)], capture_output=True)
        assert checked.returncode <= 1, checked.stdout
        _run("mount", "-o", "loop", str(self.image), str(self.path))


@contextmanager
def own_disk(folder: Path, megabytes: int = 64) -> Iterator[OwnDisk]:
    """Mount such a disk; the test is skipped where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    disk = OwnDisk(folder / "disk.img", folder / "disk")
    disk.path.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    try:
        _run("mkfs.ext4", "-q", str(disk.image))
        _run("mount", "-o", "loop", str(disk.image), str(disk.path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    try:
        if not os.access(disk.path, os.W_OK):
            pytest.skip("this machine's loop devices are read-only")
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk.path)], capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0
