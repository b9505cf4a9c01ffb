"""Take a session from a process that has stopped while it holds its lock.

A process that is stopped keeps its locks, and goes on one day in the middle of a change. No lock
keeps it from that. So the session gets a new directory, with the same files under the same name,
and the stopped one is left with the old directory: all that it still writes lands there, because
`Session.lock` writes through the open directory and not through its name.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from scai.errors import NotFound
from scai.storage.disk import Disk
from scai.storage.removal import remove_folder
from scai.storage.rights import new_folder

log = logging.getLogger(__name__)

_HERE = -100  # AT_FDCWD of fcntl.h
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h


def renew(path: Path, disk: Disk) -> bool:
    """Give a session a new directory, whose lock nobody holds; False where that cannot be done.

    The caller has the claim of its job, and nobody else does this. Raises OSError, and NotFound
    when there is no such session.
    """
    copy = path.with_name(f".new-{path.name}.{secrets.token_hex(4)}")
    os.close(new_folder(copy))
    try:
        before = _files(path)
        for name in before:
            # They are replaced, never changed: a further name is a copy.
            os.link(path / name, copy / name, follow_symlinks=False)
        disk.sync_directory(copy)
        # The old directory gets the copy's name, under which cleaners remove what is old.
        os.utime(path)
        if not _exchange(copy, path):
            return False
        if _has_more(copy, before) and _exchange(copy, path):
            # The holder has gone on just now; what it wrote stands.
            return False
        disk.sync_directory(path.parent)
        log.warning("session %s: the holder of its lock had stopped; it is free", path.name)
        return True
    except FileNotFoundError:
        raise NotFound("no such session") from None
    finally:
        with suppress(FileNotFoundError):
            remove_folder(copy)


def _has_more(old: Path, before: Mapping[str, int]) -> bool:
    """Whether all those files are in the old directory still, and others, or in other states.

    Where a cleaner was faster, files are missing: then it is of no use any more.
    """
    try:
        now = _files(old)
    except FileNotFoundError:
        return False
    return now != before and now.keys() >= before.keys()


def _files(folder: Path) -> dict[str, int]:
    """The inodes of the files in a folder; hidden ones are drafts of the change that stopped."""
    with os.scandir(folder) as entries:
        return {
            entry.name: entry.inode()
            for entry in entries
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
        }


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders swap their names, at once for all who look; False if the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.ENOENT:
        raise FileNotFoundError(number, os.strerror(number), os.fspath(other))
    log.error("session %s cannot be freed: %s", other.name, os.strerror(number))
    return False
