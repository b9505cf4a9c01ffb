"""Locks between processes: flock on an open file or folder, which the kernel releases at death."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scai.errors import NotFound
from scai.storage.open_plain import NOT_THERE

# The first pause before a lock is tried again, which doubles up to the longest, in seconds.
_NAP, _MAX_NAP = 0.001, 0.1


def flock(descriptor: int, patience: float = 0.0, *, shared: bool = False) -> bool:
    """Lock an open file or folder; False if somebody else held it for `patience` seconds.

    Closing the descriptor releases the lock. Shared locks exclude only locks that are not shared.
    """
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    deadline = time.monotonic() + patience
    nap = _NAP
    while True:
        try:
            fcntl.flock(descriptor, how)
            return True
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(nap, left))
            nap = min(2 * nap, _MAX_NAP)


@contextmanager
def folder_lock(folder: Path, patience: float, missing: str) -> Iterator[bool]:
    """Hold the folder's lock during the block, which is given False if another holds it.

    Raises NotFound(`missing`) where there is no such folder; errors of the disk pass through.
    """
    with locked_folder(folder, patience, missing) as descriptor:
        yield descriptor is not None


@contextmanager
def locked_folder(folder: Path, patience: float, missing: str) -> Iterator[int | None]:
    """As `folder_lock`, but the block is given the descriptor, or None without the lock."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NOT_THERE:
            raise NotFound(missing) from None
        raise
    try:
        yield descriptor if flock(descriptor, patience) else None
    finally:
        os.close(descriptor)


def open_place(descriptor: int, path: Path) -> Path:
    """A path to an open folder, whatever is called `path` by now; `path` where there is no /proc.

    It holds for this process, as long as the folder is open.
    """
    place = f"/proc/self/fd/{descriptor}"
    return Path(place) if os.path.isdir(place) else path
