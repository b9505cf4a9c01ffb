"""Removing old sessions that neither wait nor are being worked on.

They go at their age, and before it where there is too much of them (scai/jobs/trimming.py). A batch
is removed with the last of its sessions.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scai.errors import NotFound
from scai.jobs.trimming import INODES, Bounds, Trimming, remove_deserted
from scai.queues.base import JobQueue
from scai.storage import upload_spool
from scai.storage.ages import Ages
from scai.storage.batch import NAME as BATCH
from scai.storage.batch import Batch
from scai.storage.disk import Disk
from scai.storage.session import NAME, Session
from scai.storage.space import Room

log = logging.getLogger(__name__)
_disk = Disk("off")

# Names that a crash can leave in the session folder, and the age at which they are surely nobody's,
# in seconds.
_DEBRIS = (".new-", ".gone-", upload_spool.PREFIX)
_DEBRIS_AGE = 3600.0
NO_BOUNDS = Bounds()


@dataclass
class Purge:
    """The result of a purge: sessions removed, bytes freed, number of sessions that are alive.

    `early` of those that were removed had not reached their age.
    """

    removed: list[str]
    freed: int
    alive: int
    early: int = 0


def purge(
    root: Path,
    queues: Iterable[JobQueue],
    keep: float,
    *,
    bounds: Bounds = NO_BOUNDS,
    ages: Ages | None = None,
    now: float | None = None,
    dry_run: bool = False,
) -> Purge:
    """Remove the sessions in `root` whose directory last changed more than `keep` seconds ago.

    Then the oldest verdicts go until the folder is within its bounds.

    `ages` are those of files now, if the clock may have been set (see scai/storage/ages.py);
    without them, the clock is believed, and the time is `now` if that is given.

    Links and strange names are left alone. Safe beside uploads, workers and another purge: a
    session is removed only under its lock, and only while no queue knows it.
    """
    ages = ages or Ages(time.time() if now is None else now)
    done = Purge([], 0, 0)
    all_queues = list(queues)
    names = sorted(_candidates(root, ages, keep))
    for name in names:
        if NAME.fullmatch(name):
            _consider(Session(root, name, disk=_disk), all_queues, keep, ages, dry_run, done)
        elif not dry_run and not BATCH.fullmatch(name):
            _sweep(root / name, ages)
    if not dry_run:
        for name in filter(BATCH.fullmatch, names):
            remove_deserted(Batch(root, name, disk=_disk), keep, ages)

    def remove_early(session: Session) -> int | None:
        return _remove(session, all_queues, bounds.grace, ages, dry_run, done)

    gone = (set(done.removed), Room(done.freed, len(done.removed) * INODES)) if dry_run else None
    done.early = Trimming(root, all_queues, bounds, ages, remove_early, gone=gone).run()
    return done


def _candidates(root: Path, ages: Ages, keep: float) -> Iterator[str]:
    """The names of folders that last changed more than `keep` seconds ago, and of debris."""
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(_DEBRIS):
                yield entry.name
            elif _is_ours(entry.name) and entry.is_dir(follow_symlinks=False):
                try:
                    if ages.of(entry.stat(follow_symlinks=False).st_mtime) > keep:
                        yield entry.name
                except FileNotFoundError:
                    pass  # another cleaner was faster


def _is_ours(name: str) -> bool:
    return bool(NAME.fullmatch(name) or BATCH.fullmatch(name))


def _consider(
    session: Session,
    queues: list[JobQueue],
    keep: float,
    ages: Ages,
    dry_run: bool,
    done: Purge,
) -> None:
    """Remove a session, unless it is alive or another cleaner was faster."""
    if _remove(session, queues, keep, ages, dry_run, done) is None and session.path.exists():
        done.alive += 1


def _remove(
    session: Session,
    queues: list[JobQueue],
    keep: float,
    ages: Ages,
    dry_run: bool,
    done: Purge,
) -> int | None:
    """Remove a session under its lock; the bytes that this frees, None if it stays or was gone."""
    try:
        with session.lock(patience=0) as ours:
            # Asked again under the lock: it may have been waiting, run and finished meanwhile.
            if not ours or any(q.has(session.name) for q in queues):
                return None
            if ages.true(session.age(ages.now)) <= keep:
                return None
            freed = session.size() if dry_run else session.remove()
            done.freed += freed
            done.removed.append(session.name)
            if not dry_run:
                for queue in queues:
                    queue.drop_hold(session.name)
            return freed
    except (NotFound, FileNotFoundError):
        return None  # another cleaner was faster
    except OSError as error:
        log.warning("%s not removed: %s", session.name, error)
        return None


def _sweep(debris: Path, ages: Ages) -> None:
    """Remove debris of a crash: a folder, or the file of an unfinished upload."""
    try:
        if ages.of(debris.lstat().st_mtime) <= _DEBRIS_AGE:
            return
        if debris.name.startswith(upload_spool.PREFIX) or debris.is_symlink():
            debris.unlink()
        else:
            shutil.rmtree(debris, ignore_errors=True)
    except FileNotFoundError:
        return  # it has become a session, or another cleaner was faster
    except OSError as error:
        log.warning("%s not removed: %s", debris.name, error)
