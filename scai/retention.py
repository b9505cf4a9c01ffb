"""Which sessions may go: old enough, and neither waiting nor being worked on."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scai.errors import NotFound
from scai.queues.directory import DirectoryQueue
from scai.session import NAME, Session

log = logging.getLogger(__name__)

# What a crash can leave behind in the session folder, and when it is surely nobody's, in seconds.
_DEBRIS = (".new-", ".gone-")
_DEBRIS_AGE = 3600.0


@dataclass
class Purge:
    """What a purge did: names removed, bytes freed, names kept because they are alive."""

    removed: list[str]
    freed: int
    alive: int


def purge(
    root: Path,
    queues: Iterable[DirectoryQueue],
    keep: float,
    *,
    now: float | None = None,
    dry_run: bool = False,
) -> Purge:
    """Remove the sessions in `root` whose directory last changed more than `keep` seconds ago.

    Links and strange names are left alone. Safe beside uploads, workers and another purge: a
    session is removed only under its lock, and only while no queue knows it.
    """
    moment = time.time() if now is None else now
    done = Purge([], 0, 0)
    for entry in sorted(os.scandir(root), key=lambda e: e.name):
        if not entry.is_dir(follow_symlinks=False):
            continue
        if entry.name.startswith(_DEBRIS):
            _sweep(Path(entry.path), moment, dry_run)
        elif NAME.fullmatch(entry.name):
            _consider(Session(root, entry.name), list(queues), keep, moment, dry_run, done)
    return done


def _consider(
    session: Session,
    queues: list[DirectoryQueue],
    keep: float,
    now: float,
    dry_run: bool,
    done: Purge,
) -> None:
    try:
        if session.age(now) <= keep:
            return
        with session.lock() as ours:
            # Asked again under the lock: it may have been waiting, run and finished meanwhile.
            if not ours or any(q.has(session.name) for q in queues) or session.age(now) <= keep:
                done.alive += 1
                return
            done.freed += session.size() if dry_run else session.remove()
            done.removed.append(session.name)
            if not dry_run:
                for queue in queues:
                    queue.forget(session.name)
    except (NotFound, FileNotFoundError):
        return  # another cleaner was faster
    except OSError as error:
        log.warning("%s not removed: %s", session.name, error)


def _sweep(debris: Path, now: float, dry_run: bool) -> None:
    try:
        old = now - debris.lstat().st_mtime > _DEBRIS_AGE
    except FileNotFoundError:
        return
    if old and not dry_run:
        shutil.rmtree(debris, ignore_errors=True)
