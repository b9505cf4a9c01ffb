"""What waits in all queues together, and what room the disk must have for it.

The portal knows the size and the client of each job that came through it. Cleaner and supervisor
make this anew; then all jobs are taken to have the mean size of a few of them.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from scai.errors import ScaiError
from scai.jobs.ledger import Ledger, Sums
from scai.queues.base import JobQueue
from scai.settings import Settings
from scai.storage.session import Session
from scai.storage.space import Room, Space, space_of

# What a verdict takes besides its annotated picture: files of a few hundred bytes, each of which
# takes a block of 4096.
_VERDICT = Room(8192, 3)
# An annotated picture is a PNG of all pixels; a photo's is 8 times as long as its JPEG in the mean
# of 180 photos, and 10 times of one in ten.
_DRAWN = 10

# Uploads stop at the floor; a little above it the cleaner is called, and it cleans up to here.
CALL_FLOORS, CLEAN_FLOORS = 1.5, 2.0


class Amounts:
    """The jobs without a verdict, of all queues. Safe between threads.

    `free` reads the room of a folder's file system; a queue is counted again every `least` seconds
    at most. Who calls a method that says so holds `lock`.
    """

    def __init__(
        self,
        settings: Settings,
        queues: Mapping[str, JobQueue],
        *,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[Path], Space] = space_of,
        least: float = 1.0,
    ) -> None:
        self.lock = threading.Lock()
        self._root = settings.sessionpath
        self._free = free
        self._least_free = Room(settings.min_free_mb * 1_000_000, settings.min_free_inodes)
        size_of = partial(_size_of, self._root)
        self.ledgers = {
            kind: Ledger(queue, size_of, self.lock, clock, least) for kind, queue in queues.items()
        }
        self._drawn = {kind: _DRAWN if settings.kinds[kind].draws else 0 for kind in queues}
        # Bytes that are not on the disk yet: bodies that arrive, and pictures being stored.
        self.coming = 0

    def refresh(self, *, soon: bool = False) -> None:
        """Count the queues again as Ledger.refresh does. The caller does not hold the lock."""
        for ledger in self.ledgers.values():
            ledger.refresh(soon=soon)

    def space(self) -> Space | None:
        """The sessions' file system; None where it cannot be read."""
        try:
            return self._free(self._root)
        except OSError:
            return None  # storing an upload will say what is wrong

    def unfinished(self) -> Sums:
        """The jobs without a verdict. The caller holds the lock."""
        return _total(ledger.unfinished for ledger in self.ledgers.values())

    def of(self, client: str) -> Sums:
        """Those of one client. The caller holds the lock."""
        return _total(ledger.of(client) for ledger in self.ledgers.values())

    def verdict(self, kind: str | None, size: float) -> Room:
        """The room that the verdict on an upload of `size` bytes will take."""
        return _VERDICT + Room(size * self._drawn.get(kind or "", 0))

    def dearest_verdict(self, size: float) -> Room:
        """The room for a verdict of the kind that needs most."""
        return _VERDICT + Room(size * max(self._drawn.values()))

    def reserved(self) -> Room:
        """The room for all verdicts to come, and for what is being stored. With the lock."""
        room = Room(self.coming)
        for kind, ledger in self.ledgers.items():
            jobs, size = ledger.unfinished
            room += _VERDICT * jobs + Room(size * self._drawn[kind])
        return room

    def left(self, space: Space) -> Room:
        """The room above floor and reserve; below zero where it lacks. With the lock."""
        return space.free - space.floor(self._least_free) - self.reserved()

    def seconds_for(self, jobs: float) -> float | None:
        """Seconds until so many jobs have left the queues; None before that could be measured."""
        rates = [ledger.rate.per_second for ledger in self.ledgers.values()]
        if all(rate is None for rate in rates):
            return None
        rate = sum(rate or 0 for rate in rates)
        return jobs / rate if rate > 0 else math.inf

    def shortage(self, floors: float = 1.0) -> Room:
        """What lacks until so many times the floor is free besides the reserve.

        Nothing lacks where the disk cannot be read. Raises OSError when a queue cannot be read.
        """
        self.refresh()
        space = self.space()
        if space is None:
            return Room()
        with self.lock:
            lack = space.floor(self._least_free) * (floors - 1) - self.left(space)
        return Room(max(0, lack.bytes), max(0, lack.inodes))

    def usage(self) -> dict[str, Any]:
        """How much is in use, for the status; numbers that cannot be had are None."""
        self.refresh()
        space = self.space()
        with self.lock:
            unfinished, reserved = self.unfinished(), self.reserved()
            clients = sum(ledger.clients for ledger in self.ledgers.values())
        floor = None if space is None else space.floor(self._least_free)
        counted = space is not None and math.isfinite(space.free.inodes)
        return {
            "waiting_bytes": unfinished.bytes,
            "clients": clients,
            "reserved_bytes": round(reserved.bytes),
            "reserved_inodes": round(reserved.inodes),
            "floor_bytes": round(floor.bytes) if floor else None,
            "free_inodes": round(space.free.inodes) if space and counted else None,
            "floor_inodes": round(floor.inodes) if floor and counted else None,
        }


def _total(sums: Iterable[Sums]) -> Sums:
    jobs, size = 0, 0
    for each in sums:
        jobs += each.jobs
        size += each.bytes
    return Sums(jobs, size)


def _size_of(root: Path, name: str) -> int | None:
    """The bytes of a session's files; None for one that is gone."""
    try:
        return Session(root, name).size()
    except (OSError, ScaiError):
        return None
