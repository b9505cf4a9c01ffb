"""Make folders full of tickets or sessions fast, for benchmarks."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from benchmarks._photo import photo
from scai.storage.disk import Disk
from scai.storage.session import Session, Upload, new_name

KIND = "image_classification"


def tickets(pool: Path, count: int) -> list[str]:
    """Create `count` tickets in the queue folder, as a shell client would; returns their names."""
    pool.mkdir(parents=True, exist_ok=True)
    now = time.time()
    names = [new_name(now + number / 1000) for number in range(count)]
    folder = os.open(pool, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            os.mknod(name, stat.S_IFREG | 0o640, dir_fd=folder)
    finally:
        os.close(folder)
    return names


def finished_sessions(root: Path, count: int) -> None:
    """Fill `root` with finished sessions that differ only in their names."""
    root.mkdir(parents=True)
    disk = Disk("off")
    upload = Upload(photo(64, 48, 1), ".jpg", "photo.jpg")
    first = Session.create(root, KIND, upload, disk=disk)
    with first.lock():
        first.complete({"labels": []}, text="")
    files = {file.name: file.read_bytes() for file in first.path.iterdir()}
    now = time.time()
    for number in range(1, count):
        folder = root / new_name(now + number / 1000)
        folder.mkdir()
        for name, data in files.items():
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            os.write(descriptor, data)
            os.close(descriptor)
