"""Removing verdicts before their age, oldest first, where there is too much or too little room.

A session goes only if it has its verdict, no queue knows it, no person has to look at it, and its
verdict is not younger than a grace in which its client can fetch it.
"""

from __future__ import annotations

import heapq
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scai.errors import ScaiError
from scai.queues.base import JobQueue
from scai.storage.ages import Ages
from scai.storage.batch import NAME as BATCH
from scai.storage.batch import Batch
from scai.storage.disk import Disk
from scai.storage.session import FINAL, NAME, Session
from scai.storage.space import Room

log = logging.getLogger(__name__)
_disk = Disk("off")

# Oldest sessions that are remembered in one reading of the folder.
_AT_A_TIME = 20_000
# Inodes of a session with a verdict, for a trimming that removes nothing.
INODES = 4
# Seconds in which photos may still be added to a batch that has none.
_EMPTY_BATCH = 3600.0


def no_shortage() -> Room:
    """The shortage of a disk with room for everything."""
    return Room()


@dataclass(frozen=True)
class Bounds:
    """How much the session folder may hold.

    sessions, bytes: the most of them, batches counting as sessions; 0: no bound
    grace: seconds since its verdict for which a session is kept all the same
    shortage: what room lacks on the disk now
    """

    sessions: int = 0
    bytes: float = 0
    grace: float = 600.0
    shortage: Callable[[], Room] = no_shortage


@dataclass
class _Stock:
    """What the folder holds, and its oldest sessions with nothing to keep them, oldest first."""

    sessions: int
    bytes: int
    oldest: list[str]


class Trimming:
    """One trimming of the folder `root`.

    remove: removes a session; gives the bytes that this frees, or None if it stays
    gone: None, or for a trimming that removes nothing, the sessions to take for removed, with the
        room that they would free
    """

    def __init__(
        self,
        root: Path,
        queues: Sequence[JobQueue],
        bounds: Bounds,
        ages: Ages,
        remove: Callable[[Session], int | None],
        *,
        gone: tuple[Collection[str], Room] | None = None,
        at_a_time: int = _AT_A_TIME,
    ) -> None:
        self._root = root
        self._queues = queues
        self._bounds = bounds
        self._ages = ages
        self._remove = remove
        self._dry_run = gone is not None
        self._gone, self._freed = gone or ((), Room())
        self._at_a_time = at_a_time

    def run(self) -> int:
        """Remove sessions until nothing is too much, or none may go; how many went."""
        removed = 0
        seen: set[str] = set()
        while True:
            stock = self._take_stock(seen)
            if not self._too_much(stock):
                return removed
            for name in stock.oldest:
                seen.add(name)
                session = Session(self._root, name, disk=_disk)
                freed = self._remove(session) if _has_verdict(session) else None
                if freed is not None:
                    removed += 1
                    self._freed += Room(freed, INODES)
                    stock.sessions -= 1
                    stock.bytes -= freed
                    if not self._too_much(stock):
                        return removed
            if not stock.oldest:
                self._remove_empty_batches(stock)
                return removed

    def _too_much(self, stock: _Stock) -> bool:
        bounds = self._bounds
        if 0 < bounds.sessions < stock.sessions or 0 < bounds.bytes < stock.bytes:
            return True
        lack = bounds.shortage()
        if self._dry_run:
            lack -= self._freed
        return lack.bytes > 0 or lack.inodes > 0

    def _take_stock(self, seen: set[str]) -> _Stock:
        """Read the folder. Sessions that were seen before do not come again."""
        stock = _Stock(0, 0, [])
        busy = self._busy()

        def idle() -> Iterator[tuple[float, str]]:
            with os.scandir(self._root) as entries:
                for entry in entries:
                    is_session = NAME.fullmatch(entry.name) is not None
                    if not (is_session or BATCH.fullmatch(entry.name)):
                        continue
                    if entry.name in self._gone:
                        continue
                    try:
                        if not entry.is_dir(follow_symlinks=False):
                            continue
                        stock.sessions += 1
                        if self._bounds.bytes and is_session:
                            stock.bytes += Session(self._root, entry.name).size()
                        changed = entry.stat(follow_symlinks=False).st_mtime
                    except (FileNotFoundError, NotADirectoryError):
                        continue  # another cleaner was faster
                    free = is_session and entry.name not in busy and entry.name not in seen
                    if free and self._ages.of(changed) > self._bounds.grace:
                        yield changed, entry.name

        stock.oldest = [name for _, name in heapq.nsmallest(self._at_a_time, idle())]
        return stock

    def _busy(self) -> set[str]:
        """The sessions that wait, run or are on hold; asked again under the lock of each."""
        names: set[str] = set()
        for queue in self._queues:
            names.update(queue.waiting())
            names.update(queue.claimed())
            names.update(queue.held_sessions())
        return names

    def _remove_empty_batches(self, stock: _Stock) -> None:
        """Remove batches without sessions: they take inodes, and anybody can make them."""
        if self._dry_run:
            return
        with os.scandir(self._root) as entries:
            names = [entry.name for entry in entries if BATCH.fullmatch(entry.name)]
        for name in sorted(names):
            if remove_deserted(Batch(self._root, name, disk=_disk), _EMPTY_BATCH, self._ages):
                stock.sessions -= 1
                if not self._too_much(stock):
                    return


def remove_deserted(batch: Batch, keep: float, ages: Ages) -> bool:
    """Remove a batch without sessions to which nothing was added for `keep` seconds; if it went."""
    try:
        with batch.lock(patience=0) as ours:
            if not (ours and ages.true(batch.age(ages.now)) > keep and batch.is_deserted()):
                return False
            batch.remove()
    except (ScaiError, FileNotFoundError):
        return False  # another cleaner was faster
    except OSError as error:
        log.warning("%s not removed: %s", batch.name, error)
        return False
    log.info("batch %s removed", batch.name)
    return True


def _has_verdict(session: Session) -> bool:
    try:
        return session.state in FINAL
    except (ScaiError, OSError):
        return False
