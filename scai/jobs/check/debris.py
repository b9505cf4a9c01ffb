"""Debris in the folder of the sessions: what uploads, removals and writers did not finish."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from scai.errors import NotFound
from scai.jobs.check.finding import Finding
from scai.storage import upload_spool
from scai.storage.disk import DRAFT
from scai.storage.locks import folder_lock
from scai.storage.session import NAME

# Seconds without a change after which debris is surely nobody's.
OLD = 3600.0
_FOLDERS = (".new-", ".gone-")
_FILES = (upload_spool.PREFIX, ".ready-")


def debris(sessions: Path, now: float) -> Iterator[Finding]:
    """Debris that is older than OLD at the time of day `now`, and that no process has locked."""
    for name in sorted(os.listdir(sessions)):
        path = sessions / name
        if name.startswith(_FOLDERS) and _is_old(path, now):
            if _is_free(path):
                about = "is what a crash left of an upload or a removal"
                yield Finding("debris", str(path), about, repair=partial(_remove, path))
        elif name.startswith(_FILES) and _is_old(path, now):
            about = "is what a crash left of an upload"
            yield Finding("debris", str(path), about, repair=partial(_remove, path))
        elif NAME.fullmatch(name):
            yield from _drafts(path, now)


def _drafts(session: Path, now: float) -> Iterator[Finding]:
    try:
        names = [name for name in os.listdir(session) if DRAFT.fullmatch(name)]
    except OSError:
        return  # it is gone, or none of ours
    for path in (session / name for name in sorted(names)):
        if _is_old(path, now) and _is_free(session):
            about = "is a file that its writer did not finish"
            yield Finding("debris", str(path), about, repair=partial(_remove, path))


def _is_old(path: Path, now: float) -> bool:
    try:
        return now - os.lstat(path).st_mtime > OLD
    except FileNotFoundError:
        return False


def _is_free(folder: Path) -> bool:
    """Whether no process has locked the folder; whoever fills one has."""
    try:
        with folder_lock(folder, 0.0, "it is gone") as ours:
            return ours
    except NotFound:
        return not os.path.isdir(folder)  # a file of that name


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
