"""Refusing uploads while there is no room: in the queue, on the disk, or for this client.

Every upload asks here before it is stored, and, where its length is known, before its body is read.
Who is refused learns when to come back, from how fast the queues were worked off lately.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import TracebackType

from scai.errors import Busy, ClientLimit, ScaiError, StorageFull
from scai.jobs.amounts import Amounts
from scai.jobs.ledger import Entry, Sums, account_of
from scai.settings import Settings
from scai.storage.lookout import Lookout, Run, in_a_thread
from scai.storage.space import Room, Space
from scai.storage.upload_spool import IN_MEMORY

# What a stored upload takes besides its picture: a directory, and a record of a block.
_UPLOAD = Room(8192, 3)
_NOTHING = Room()
# Every upload counts by so many bytes more among those that pass unlooked at, for its small files.
_SMALL = 4096
# The longest time in seconds between two looks at all the sums.
_CALM = 0.5
# A glance goes by a look at most so many seconds old, else it lets pass.
_RECENT = 2.0
# Seconds to come back after: where no rate is known, and the limits of what is told.
_UNKNOWN, _SHORTEST, _LONGEST = 60, 1, 600
# Who is refused comes back when there is room for this share of the limit, not for one job.
_WORTH_COMING = 0.01


class Backpressure:
    """Says of each upload whether there is room for it. Safe between threads.

    `refusals` counts those that were refused, by the code of the error. `run` looks at disk and
    queues for those who may not wait.
    """

    def __init__(
        self,
        settings: Settings,
        amounts: Amounts,
        clock: Callable[[], float] = time.monotonic,
        *,
        run: Run = in_a_thread,
    ) -> None:
        self.refusals = {error.code: 0 for error in (Busy, ClientLimit, StorageFull)}
        self._settings = settings
        self._amounts = amounts
        self._max_bytes = settings.max_waiting_mb * 1_000_000
        self._client_bytes = settings.max_waiting_mb_per_client * 1_000_000
        self._clock = clock
        self._lookout = Lookout(self._look, clock=clock, run=run)
        # Until then, so many jobs and bytes pass without a look at all the sums.
        self._calm_until = -math.inf
        self._calm_jobs = self._calm_bytes = 0.0

    def check(self, kind: str | None, client: str, size: int = 0) -> None:
        """Raise ClientLimit, Busy or StorageFull if an upload of `size` bytes is refused now.

        `kind` is None while it is not known. Costs microseconds, and counts nothing.
        """
        if not self._is_calm(size):
            self._pass(kind, Entry(account_of(client), size), size, lambda: None)

    def glance(self, kind: str | None, client: str, size: int) -> None:
        """As `check`, by what was last known of disk and queues: for who must not wait for a disk.

        Where nothing is known of late, this lets pass; `admit` looks itself.
        """
        if self._is_calm(size):
            return
        known = self._lookout.look()
        if known is None or self._clock() - known.asked_at > _RECENT:
            return
        with self._amounts.lock:
            entry = Entry(account_of(client), size)
            refusal = self._refusal(kind, entry, size, known.value)
        if refusal is not None:
            raise self._counted(refusal())

    def _look(self) -> Space | None:
        self._amounts.refresh(soon=True)
        return self._amounts.space()

    def _counted(self, error: ScaiError) -> ScaiError:
        self.refusals[error.code] += 1
        return error

    def announced(self, size: int) -> AbstractContextManager[None]:
        """Keep room on the disk for a body of `size` bytes while it arrives, during the block."""
        # A small one stays in memory.
        return nullcontext() if size <= IN_MEMORY else self._keep_room(size)

    @contextmanager
    def _keep_room(self, size: int) -> Iterator[None]:
        amounts = self._amounts
        with amounts.lock:
            amounts.coming += size
            self._calm_bytes -= size
        try:
            yield
        finally:
            with amounts.lock:
                amounts.coming -= size

    def admit(self, kind: str, client: str, size: int, *, written: bool = False) -> AdmittedUpload:
        """Count an upload from now on, or raise as `check` does; the admission's block stores it.

        With `written`, its picture is on the disk already.
        """
        coming = 0 if written else size
        admission = AdmittedUpload(self._amounts, kind, Entry(account_of(client), size), coming)
        with self._amounts.lock:
            if self._is_calm(size):
                self._calm_jobs -= 1
                self._calm_bytes -= size + _SMALL
                admission.begin()
                return admission
        self._pass(kind, admission.entry, coming, admission.begin)
        return admission

    def _is_calm(self, size: int) -> bool:
        """Whether an upload of that size is so far from all bounds that nobody has to look."""
        if self._clock() >= self._calm_until:
            return False
        return self._calm_jobs >= 1 and self._calm_bytes >= size + _SMALL

    def _reckon_calm(self, space: Space | None) -> None:
        """Set what may pass until the next look, whoever sends it. The caller holds the lock."""
        settings, amounts = self._settings, self._amounts
        jobs, size = amounts.unfinished()
        most = settings.max_waiting - max(each.waiting for each in amounts.ledgers.values())
        room = self._max_bytes - size
        if settings.max_waiting_per_client:
            most = min(most, settings.max_waiting_per_client - jobs)
        if self._client_bytes:
            room = min(room, self._client_bytes - size)
        left = Room() if space is None else amounts.left(space)
        dearest = _UPLOAD + amounts.dearest_verdict(_SMALL)
        self._calm_jobs = min(most, left.inodes / dearest.inodes)
        self._calm_bytes = min(room, left.bytes * _SMALL / (dearest.bytes + _SMALL))
        self._calm_until = self._clock() + _CALM

    def wait_for_room(self, left: Room = _NOTHING) -> int:
        """Seconds after which the disk may have room; `left` is below zero by what lacks.

        Finished jobs need no room for a verdict any more. Where nothing waits, the cleaner has to
        make room.
        """
        with self._amounts.lock:
            jobs, reserved = self._amounts.unfinished().jobs, self._amounts.reserved()
        if not jobs:
            return _UNKNOWN
        each = reserved * (1 / jobs)
        return _retry_after(
            self._amounts.seconds_for(
                max(-left.bytes / max(1, each.bytes), -left.inodes / max(1, each.inodes), 1)
            )
        )

    def _pass(self, kind: str | None, entry: Entry, coming: int, then: Callable[[], None]) -> None:
        """Do `then` under the lock if there is room; else raise the refusal."""
        amounts = self._amounts
        space = amounts.space()
        # Jobs that workers took since the last count still count; who would be refused for them
        # has them counted again, once a second at most.
        # A queue that cannot be read keeps its last count; storing will say what is wrong.
        with suppress(OSError):
            amounts.refresh()
        refusal = self._attempt(kind, entry, coming, space, then)
        if refusal is not None:
            with suppress(OSError):
                amounts.refresh(soon=True)
            refusal = self._attempt(kind, entry, coming, space, then)
        if refusal is not None:
            raise self._counted(refusal())

    def _attempt(
        self,
        kind: str | None,
        entry: Entry,
        coming: int,
        space: Space | None,
        then: Callable[[], None],
    ) -> Callable[[], ScaiError] | None:
        with self._amounts.lock:
            refusal = self._refusal(kind, entry, coming, space)
            if refusal is None:
                then()
                self._reckon_calm(space)
            return refusal

    def _refusal(
        self, kind: str | None, entry: Entry, coming: int, space: Space | None
    ) -> Callable[[], ScaiError] | None:
        """What makes the error for an upload that must be refused. The caller holds the lock."""
        settings, amounts, size = self._settings, self._amounts, entry.bytes
        if entry.client:
            own = amounts.of(entry.client)
            if 0 < settings.max_waiting_per_client <= own.jobs:
                return lambda: self._client_limit(own, "max_waiting_per_client")
            if 0 < self._client_bytes < own.bytes + size and own.jobs:
                return lambda: self._client_limit(own, "max_waiting_mb_per_client")
        if kind is not None and amounts.ledgers[kind].waiting >= settings.max_waiting:
            return lambda: self._full(kind)
        unfinished = amounts.unfinished()
        if unfinished.bytes + size > self._max_bytes and unfinished.jobs:
            return lambda: self._too_many_bytes(unfinished, size)
        if space is not None:
            left = amounts.left(space) - _UPLOAD - Room(coming) - amounts.verdict(kind, size)
            if left.bytes < 0 or left.inodes < 0:
                return lambda: self._no_room(left)
        return None

    def _client_limit(self, own: Sums, setting: str) -> ClientLimit:
        # The client's jobs stand among those of others.
        with self._amounts.lock:
            share = max(1.0, self._amounts.unfinished().jobs / own.jobs)
        wait = _retry_after(self._amounts.seconds_for(share * max(1.0, _WORTH_COMING * own.jobs)))
        return ClientLimit(
            f"{own.jobs} photos of yours wait already; try again in {wait} s",
            retry_after=wait,
            limit=getattr(self._settings, setting),
            setting=setting,
        )

    def _full(self, kind: str) -> Busy:
        ledger, most = self._amounts.ledgers[kind], self._settings.max_waiting
        excess = ledger.waiting - most + max(1.0, _WORTH_COMING * most)
        return self._busy(ledger.rate.seconds_for(excess), "max_waiting")

    def _too_many_bytes(self, unfinished: Sums, size: int) -> Busy:
        excess = unfinished.bytes + size - (1 - _WORTH_COMING) * self._max_bytes
        jobs = excess / max(1.0, unfinished.bytes / unfinished.jobs)
        return self._busy(self._amounts.seconds_for(jobs), "max_waiting_mb")

    def _busy(self, seconds: float | None, setting: str) -> Busy:
        wait = _retry_after(seconds)
        return Busy(
            f"the queue is full; try again in {wait} s",
            retry_after=wait,
            limit=getattr(self._settings, setting),
            setting=setting,
        )

    def _no_room(self, left: Room) -> StorageFull:
        wait = self.wait_for_room(left)
        return StorageFull(
            f"the server has no room to keep the upload; try again in {wait} s", retry_after=wait
        )


class AdmittedUpload:
    """An upload that was admitted; the block stores it and sets `session`, its name.

    `coming` are its bytes that are not on the disk yet.
    """

    def __init__(self, amounts: Amounts, kind: str, entry: Entry, coming: int) -> None:
        self.entry = entry
        self.session: str | None = None
        self._amounts = amounts
        self._ledger = amounts.ledgers[kind]
        self._coming = coming

    def begin(self) -> None:
        """Count the upload. The caller holds the lock."""
        self._amounts.coming += self._coming
        self._ledger.begin(self.entry)

    def __enter__(self) -> AdmittedUpload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._amounts.lock:
            self._amounts.coming -= self._coming
            self._ledger.settle(self.entry, self.session)


def _retry_after(seconds: float | None) -> int:
    """A waiting time as clients are told: whole seconds within sane limits."""
    if seconds is None:
        return _UNKNOWN
    return math.ceil(min(max(seconds, _SHORTEST), _LONGEST))
