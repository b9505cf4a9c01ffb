"""Files of sessions that cannot be read: kept beside the sessions, for a person to look at.

session/.corrupt/<session>.<file>.<number>
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from scai.storage.disk import Disk
from scai.storage.rights import make_folder

FOLDER = ".corrupt"
# Errors of file systems that have no further names for a file, or none left.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)


def keep(path: Path, disk: Disk) -> Path | None:
    """Keep the file `path` of a session among the damaged ones; its new path.

    The file also stays where it is, and whoever replaces it does so as always: no crash can lose
    it. What is no file is moved. None if there is nothing. A second call changes nothing.
    Raises OSError.
    """
    folder = path.parent.parent / FOLDER
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    make_kept(folder, disk)
    # The number keeps several damaged files of one name apart, and one file from being kept twice.
    target = folder / f"{path.parent.name}.{path.name}.{status.st_ino:x}"
    if stat.S_ISREG(status.st_mode):
        _link(path, target)
    else:
        os.rename(path, target)
    disk.sync_directory(folder)
    return target


def set_aside(path: Path, disk: Disk) -> None:
    """Move what is in the place of a session to the damaged files, if it is there."""
    folder = path.parent / FOLDER
    with suppress(FileNotFoundError):
        number = os.lstat(path).st_ino
        make_kept(folder, disk)
        os.rename(path, folder / f"{path.name}.{number:x}")


def make_kept(folder: Path, disk: Disk) -> None:
    """Make a folder for what is kept; it survives a power cut before anything moves into it."""
    make_folder(folder)
    disk.sync_directory(folder.parent)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(path, target, follow_symlinks=False)
