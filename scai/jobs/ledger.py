"""What waits in one queue: how many jobs, how many bytes, and whose they are.

Tickets are empty files, so reading the folder tells how many wait and nothing more. Of jobs that
came through this process, size and client are known from the moment they are admitted. The others,
of shell clients or from before the start, are taken to have the mean size of a few. So no upload
costs more than a few sums, and a reading of the folder costs as little as a count.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from scai.jobs.drain_rate import DrainRate
from scai.queues.base import JobQueue
from scai.storage.pace import Reading

# Sessions of unknown size that are looked at in one reading.
_SAMPLE = 20


class Entry(NamedTuple):
    """A job that came through this process: its client, "" for none, and its bytes."""

    client: str
    bytes: int


class Sums(NamedTuple):
    """A number of jobs, and their bytes together."""

    jobs: int = 0
    bytes: int = 0


class Ledger:
    """The jobs of one queue, counted again every `least` seconds at most, or more seldom.

    `size_of` gives the bytes of a session, None for one that is gone. `lock` guards all sums; the
    caller holds it for every call but those of `refresh` and `forget`. A job counts until the
    reading that finds it finished, so the sums are never too small.
    """

    def __init__(
        self,
        queue: JobQueue,
        size_of: Callable[[str], int | None],
        lock: threading.Lock,
        clock: Callable[[], float] = time.monotonic,
        least: float = 1.0,
    ) -> None:
        self.rate = DrainRate()
        self._queue = queue
        self._size_of = size_of
        self._lock = lock
        self._clock = clock
        self._reading = Reading(self._read, Sums(), least, clock)
        # Jobs of the last reading that are not in the entries.
        self._others = Sums()
        self._waiting = 0
        self._entries: dict[str, Entry] = {}
        # Since the last reading: jobs that have a session, and jobs that are still being stored.
        self._fresh: dict[str, Entry] = {}
        self._pending = 0
        self._bytes = 0
        self._clients: dict[str, Sums] = {}

    @property
    def waiting(self) -> int:
        """How many jobs wait, as far as is known."""
        return self._waiting + len(self._fresh) + self._pending

    @property
    def unfinished(self) -> Sums:
        """The jobs without a verdict: those that wait, and ours that are being worked on."""
        own = len(self._entries) + len(self._fresh) + self._pending
        return Sums(own + self._others.jobs, self._bytes + self._others.bytes)

    def of(self, client: str) -> Sums:
        """The unfinished jobs of one client that came through this process."""
        return self._clients.get(client, Sums())

    @property
    def clients(self) -> int:
        """How many clients have unfinished jobs."""
        return len(self._clients)

    def begin(self, entry: Entry) -> None:
        """Count a job that is now being stored."""
        self._pending += 1
        self._add(entry, 1)

    def settle(self, entry: Entry, session: str | None) -> None:
        """Say how that ended: the job has a session, or None: it was not stored."""
        self._pending -= 1
        if session is None:
            self._add(entry, -1)
        else:
            self._fresh[session] = entry

    def forget(self, session: str) -> None:
        """Count a job no longer that its client removed."""
        with self._lock:
            entry = self._fresh.pop(session, None) or self._entries.pop(session, None)
            if entry is not None:
                self._add(entry, -1)

    def _add(self, entry: Entry, sign: int) -> None:
        self._bytes += sign * entry.bytes
        if entry.client:
            before = self._clients.get(entry.client, Sums())
            after = Sums(before.jobs + sign, before.bytes + sign * entry.bytes)
            if after.jobs > 0:
                self._clients[entry.client] = after
            else:
                self._clients.pop(entry.client, None)

    def refresh(self, *, soon: bool = False) -> None:
        """Read the queue if it is time; with `soon`, if the last reading is `least` seconds old."""
        if soon or self._clock() >= self._reading.due_at:
            self._reading.value(soon=soon)

    def _read(self) -> Sums:
        with self._lock:
            arrivals = len(self._fresh)
            self._entries |= self._fresh
            self._fresh = {}
            entries = self._entries
        waiting, ours, strangers = 0, set[str](), list[str]()
        for name in self._queue.waiting():
            waiting += 1
            if name in entries:
                ours.add(name)
            elif len(strangers) < _SAMPLE:
                strangers.append(name)
        others = waiting - len(ours)
        # Afterwards: a ticket that is claimed between the two looks is seen at least once.
        ours.update(self._queue.claimed())
        sizes = [size for size in map(self._size_of, strangers) if size is not None]
        mean = sum(sizes) / len(sizes) if sizes else 0
        with self._lock:
            gone = [name for name in entries if name not in ours]
            for name in gone:
                self._add(entries.pop(name), -1)
            self._waiting = waiting
            self._others = Sums(others, round(others * mean))
            self.rate.note(self._clock(), arrivals, waiting)
            return self._others


def account_of(client: str) -> str:
    """Who is counted together with a client: an IPv6 address stands for its network of 64 bits.

    Whoever has one such address has 2^64 of them.
    """
    if ":" not in client:
        return client
    try:
        address = ipaddress.IPv6Address(client.partition("%")[0])
    except ValueError:
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))
