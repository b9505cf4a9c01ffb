"""Opening a file that anybody may have put there: never a link, a pipe, a folder or a device."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

# Errors of a path that mean that nothing of ours is there.
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

# Not following, for a link may lead anywhere; not blocking, for a pipe may have no writer.
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotPlain(OSError):
    """There is something, but no plain file."""


def open_plain(path: str | Path) -> IO[bytes]:
    """Open a plain file for reading. Raises NotPlain, and any other OSError of the path.

    A link is refused with one of NOT_THERE.
    """
    return open(path, "rb", opener=_open)


def _open(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | _FLAGS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotPlain(errno.EINVAL, "must be a plain file", path)
