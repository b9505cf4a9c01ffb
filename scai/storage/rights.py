"""Files and folders of sessions and queues: never made through a link, closed to other users.

Their rights do not depend on the umask of whoever started the program: the owner writes, its group
reads, nobody else sees anything.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

FILE, FOLDER = 0o640, 0o750

# Errors of a path that mean that nothing is there, or can be.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)

_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def new_file(path: str | Path, flags: int = os.O_WRONLY) -> int:
    """Make a file that is not there yet, and open it. Raises FileExistsError for a link, too."""
    descriptor = os.open(path, flags | _NEW, FILE)
    try:
        os.fchmod(descriptor, FILE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def new_folder(path: str | Path, *, parents: bool = False) -> int:
    """Make a folder and open it; with `parents`, make those above it that are missing, too.

    Raises FileExistsError if it is there, or a link in its place.
    """
    try:
        os.mkdir(path, FOLDER)
    except FileNotFoundError:
        if not parents:
            raise
        make_folders(Path(path).parent)
        os.mkdir(path, FOLDER)
    descriptor = open_folder(path)
    try:
        os.fchmod(descriptor, FOLDER)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it, as far as they are missing; what is there is left as it is.

    Raises NotADirectoryError where a link or anything else has the name.
    """
    try:
        os.close(new_folder(path, parents=True))
    except FileExistsError:
        os.close(open_folder(path))


def make_folders(path: Path) -> None:
    """Make a folder as `make_folder` does; it and those above it may be links to folders.

    For folders that a setting names: the operator may have put them elsewhere.
    """
    if not path.is_dir():
        make_folder(path)


def open_folder(path: str | Path) -> int:
    """Open a folder. Raises NotADirectoryError for a link, and any other OSError of the path."""
    return os.open(path, _FOLDER)


def names_in(path: str | Path) -> list[str]:
    """The names in a folder. Raises as `open_folder` does."""
    descriptor = open_folder(path)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def check_folder(path: str) -> None:
    """Raise NotADirectoryError if a folder was replaced by a link, through which nobody writes."""
    if os.path.islink(path):
        raise NotADirectoryError(errno.ENOTDIR, "is a link, not a folder", path)


def is_there(path: str | Path) -> bool:
    """Whether anything has that name, a link too. Raises OSError if the disk does not tell."""
    try:
        os.lstat(path)
    except ValueError:
        return False  # no name of any file
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    return True
