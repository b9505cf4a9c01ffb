"""What lies about in the folders of a directory queue, and how it is put out of the way.

Only the queue's own folders are looked through: other names in the pool are ignored, as always.
What may hold something is moved to `.corrupt/` in the pool; what a dead process left behind and
nobody can use is removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scai.queues._claims import ClaimName
from scai.queues._folders import QueueFolders
from scai.queues._holds import HoldFolder
from scai.queues.base import Stray
from scai.storage.damaged import make_kept
from scai.storage.disk import DRAFT, Disk
from scai.storage.rights import names_in
from scai.storage.session import NAME

FOLDER = ".corrupt"
# Seconds without a change after which a file is surely nobody's.
_OLD = 3600.0
# What Owner adds to the name of a lock that nobody has yet.
_NEW_LOCK = ".new"
_OF_OWNERS = (".lock", ".json", ".beat")
_DRAFT_ABOUT = "a file that its writer did not finish"
_LEFT_ABOUT = "of an owner that is gone"
_HOLD_ABOUT = "in the place of a hold; its reason cannot be read"


def find_strays(folders: QueueFolders, now: float) -> list[Stray]:
    """All of them, at the time of day `now`."""
    found = [*_tickets(folders), *_claims(folders), *_holds(folders, now), *_owners(folders, now)]
    return [Stray(path, about) for path, about in found]


def tidy(folders: QueueFolders, holds: HoldFolder, disk: Disk, stray: Stray) -> None:
    """Put one out of the way; one that is gone already is none. Raises OSError."""
    folder, name = os.path.split(stray.path)
    with suppress(FileNotFoundError):
        if stray.about == _HOLD_ABOUT:
            os.lstat(stray.path)
            holds.add(name, "set aside for a reason that could not be read")
        elif stray.about in (_DRAFT_ABOUT, _LEFT_ABOUT):
            os.unlink(stray.path)
        else:
            number = os.lstat(stray.path).st_ino
            kept = f"{folders.pool}/{FOLDER}"
            make_kept(Path(kept), disk)
            os.rename(stray.path, f"{kept}/{name}.{os.path.basename(folder)}.{number:x}")


def _entries(folder: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Name, path and status of each thing in a folder; none where there is no folder."""
    try:
        names = sorted(names_in(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        path = f"{folder}/{name}"
        with suppress(FileNotFoundError):
            yield name, path, os.lstat(path)


def _tickets(folders: QueueFolders) -> Iterator[tuple[str, str]]:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(folders.blank).st_mode):
            yield folders.blank, "no file; new tickets need one"
    with suppress(FileNotFoundError), os.scandir(folders.pool) as entries:
        for entry in entries:
            # Any file, pipe or link is as good a ticket as another.
            if NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield entry.path, "a folder in the place of a ticket"


def _claims(folders: QueueFolders) -> Iterator[tuple[str, str]]:
    for name, path, status in _entries(folders.claimed):
        if not NAME.fullmatch(ClaimName.parse(name).session):
            yield path, "no claim of any session"
        elif stat.S_ISDIR(status.st_mode):
            yield path, "a folder in the place of a claim"


def _holds(folders: QueueFolders, now: float) -> Iterator[tuple[str, str]]:
    for name, path, status in _entries(folders.hold):
        if NAME.fullmatch(name):
            if not stat.S_ISREG(status.st_mode):
                yield path, _HOLD_ABOUT
        elif not DRAFT.fullmatch(name):
            yield path, "no hold of any session"
        elif now - status.st_mtime > _OLD:
            yield path, _DRAFT_ABOUT


def _owners(folders: QueueFolders, now: float) -> Iterator[tuple[str, str]]:
    entries = list(_entries(folders.owners))
    names = {name for name, _, _ in entries}
    for name, path, status in entries:
        owner, suffix = os.path.splitext(name)
        # A dead owner with a lock file is found by its claims; here are those without.
        is_left = f"{owner.partition('+')[0]}.lock" not in names
        is_old = now - status.st_mtime > _OLD
        if DRAFT.fullmatch(name) or (name.startswith(".") and suffix == _NEW_LOCK):
            if is_old:
                yield path, _DRAFT_ABOUT
        elif suffix not in _OF_OWNERS or not stat.S_ISREG(status.st_mode):
            yield path, "no file of any owner"
        elif suffix != ".lock" and is_left and is_old:
            yield path, _LEFT_ABOUT
