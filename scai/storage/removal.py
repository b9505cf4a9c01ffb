"""The directory of a session as a folder: its age and size, and its removal, whatever is in it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scai.errors import NotFound
from scai.storage.disk import is_full


def folder_age(folder: Path, now: float) -> float:
    """Seconds since the folder last changed. Raises NotFound."""
    try:
        return now - os.lstat(folder).st_mtime
    except FileNotFoundError:
        raise NotFound("no such session") from None


def folder_size(folder: Path) -> int:
    """Bytes in the files of a folder; links count nothing."""
    files = [entry.stat(follow_symlinks=False) for entry in os.scandir(folder)]
    return sum(file.st_size for file in files if not stat.S_ISLNK(file.st_mode))


def remove_folder(folder: Path, first: str = "") -> int:
    """Remove a folder; return the bytes it held. Links are removed, never followed.

    `first` is the file without which nobody takes the folder for anything.
    """
    freed = folder_size(folder)
    # A rename first, so that nobody finds a session that is half there.
    going = os.path.join(folder.parent, f".gone-{folder.name}")
    try:
        os.rename(folder, going)
    except OSError as error:
        # On a full disk a directory may take no longer name, and this has to make room.
        if not is_full(error):
            raise
        if first:
            with suppress(FileNotFoundError):
                os.unlink(folder / first)
        shutil.rmtree(folder)
        return freed
    try:
        for name in os.listdir(going):
            os.unlink(f"{going}/{name}")
        os.rmdir(going)
    except OSError:
        # It holds more than files. rmtree is safe and several times as slow.
        shutil.rmtree(going)
    return freed


def take_back(making: Path, made: Path, withdraw: Callable[[], bool]) -> None:
    """Remove what an upload that failed has left, as far as the disk allows.

    It was being made in one folder and may be in the other already. `withdraw` removes its ticket,
    and is False if a worker has claimed it. Then, or if the ticket cannot go, the session stays: a
    verdict that nobody asks for is better than a job without its session.
    """
    shutil.rmtree(making, ignore_errors=True)
    try:
        withdrawn = withdraw()
    except OSError:
        return
    if withdrawn:
        shutil.rmtree(made, ignore_errors=True)
