"""Small file systems of a test's own, which fill up.

They need root; without it the test is skipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int = 8, inodes: int = 0) -> Iterator[Path]:
    """A tmpfs in a new folder, with so many inodes; 0: as many as it wants."""
    folder.mkdir(parents=True)
    options = f"size={megabytes}m" + (f",nr_inodes={inodes}" if inodes else "")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the disk with a file, up to `leave` bytes; removing the file makes room again."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        facts = os.statvfs(folder)
        file.write(b"x" * max(0, facts.f_bavail * facts.f_frsize - leave))
        if not leave:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
    return filler
