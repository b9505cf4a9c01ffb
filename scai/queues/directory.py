"""The queue that is a directory: an empty file `pooling/<kind>/<session name>` waits.

This is SCAI's public protocol: whoever makes a session directory and touches a ticket is a
client. Beside the tickets lie, hidden from a plain `ls`:

    .claimed/<session name>@<owner>+<number>   claimed by that owner (one rename); removed when the
                                      job has its verdict. No two claims ever have the same name
    .owners/<owner>.lock, .json, .beat   who works here, see scai/queues/_owners.py
    .hold/<session name>              set aside; the text in it is the reason
    .journal/<minute>                 a line for each verdict, see scai/monitoring/journal.py
    .blank                            an empty file; our own tickets are further names of it

A ticket is in exactly one of the three places. Renames need no flush: after a power cut a
ticket stands at one of its two places, and both lead to a run.

A name that somebody else may hold is never unlinked. Each claim has a name of its own, so whoever
holds the claim, or takes over from its dead owner, alone removes it. A ticket may be claimed, given
back and claimed again at any moment; only `withdraw` and a failed `flush` remove one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from scai.queues import _owners
from scai.queues._claims import ClaimFolder, DirectoryClaim
from scai.queues._doorbell import Doorbell
from scai.queues._folders import QueueFolders
from scai.queues._holds import HoldFolder
from scai.queues._leases import LeaseWatch
from scai.queues._listing import Listing
from scai.queues._strays import find_strays, tidy
from scai.queues.base import Claim, ClaimStatus, Job, JobQueue, QueueOptions, Stray, Ticket
from scai.storage.disk import Disk
from scai.storage.rights import is_there, new_file
from scai.storage.session import NAME

# A dead owner's claims are to be back within 2 s, so idle claimers look this often, in seconds.
_RECOVERY_PERIOD = 1.0
# How often a claimer that waits looks whether it was woken, in seconds.
_WAKE_PERIOD = 0.5


def open_queue(kind: str, options: QueueOptions) -> JobQueue:
    """Open the queue in the folder of the options."""
    return DirectoryQueue(
        options.pool,
        kind,
        sweep=options.sweep,
        doorbell=options.doorbell,
        look_only=options.look_only,
        disk=options.disk,
        leases=LeaseWatch(options.lease, options.clock),
    )


class DirectoryQueue(JobQueue):
    """Tickets in the folder `pool`; the other arguments are those of QueueOptions.

    Whatever else is in that folder and not named as a session is ignored.
    """

    def __init__(
        self,
        pool: Path,
        kind: str,
        *,
        sweep: float = 2.0,
        doorbell: bool = True,
        look_only: bool = False,
        disk: Disk | None = None,
        leases: LeaseWatch | None = None,
        wake_period: float = _WAKE_PERIOD,
    ) -> None:
        self.kind = kind
        self.pool = pool
        self._folders = QueueFolders(pool, look_only=look_only)
        self._disk = disk or Disk()
        self._claims = ClaimFolder(self._folders, leases or LeaseWatch(QueueOptions.lease))
        self._holds = HoldFolder(self._folders, self._disk)
        self._listing = Listing(self._folders, sweep)
        self._sweep = sweep
        self._wake_period = wake_period
        self._use_doorbell = doorbell
        self._arrivals: Doorbell | None = None
        self._ends: Doorbell | None = None
        self._woken = False
        self._rung = threading.Event()
        self._owner: _owners.Owner | None = None
        self._owning = threading.Lock()
        self._listening = threading.Lock()
        self._recovered_at = -float("inf")

    @property
    def owner(self) -> _owners.Owner:
        """This process as a claimer; made at the first use."""
        with self._owning:
            if self._owner is None:
                self._owner = _owners.Owner(self._folders.owners)
            return self._owner

    def _ticket(self, session: str) -> str:
        return f"{self._folders.pool}/{session}"

    def place(self, session: str) -> Ticket:
        # An empty file cannot be half-written, so this one call is the commit point.
        try:
            # A further name of one empty file: making and removing a file of its own costs more.
            os.link(self._folders.blank, self._ticket(session), follow_symlinks=False)
        except FileExistsError:
            return Ticket(session, new=False)
        except OSError:
            # There is no blank file, or it has as many names as can be.
            return Ticket(session, new=self._place_file(session))
        return Ticket(session)

    def _place_file(self, session: str) -> bool:
        """Make a ticket that is a file of its own; False if there was a ticket already."""
        try:
            os.close(new_file(self._ticket(session)))
        except FileExistsError:
            return False
        except FileNotFoundError:
            self._folders.make()
            os.close(new_file(self._ticket(session)))
        return True

    def _remove_ticket(self, session: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._ticket(session))

    def flush(self, ticket: Ticket) -> None:
        try:
            self._disk.sync_directory(self.pool)
        except OSError:
            if ticket.new:
                self._remove_ticket(ticket.session)
            raise

    def withdraw(self, session: str, *, keep_hold: bool = False) -> bool:
        for _ in range(2):  # it may be given back between the two looks, and be claimed again
            self._remove_ticket(session)
            if self._claims.has(session):
                return False
        if not keep_hold:
            self.drop_hold(session)
        return True

    def claim(self, limit: int, timeout: float) -> list[Claim]:
        deadline = time.monotonic() + timeout
        self._listen_as_claimer()
        look = True
        while True:
            self._rung.clear()
            look |= self._recover_now_and_then()
            look |= self._listing.old
            claims = self._take(limit) if look else []
            left = deadline - time.monotonic()
            if claims or left <= 0 or self._woken:
                self._woken = False
                return claims
            look = self._rung.wait(min(left, self._sweep, self._wake_period))

    def wake(self) -> None:
        # A plain flag, looked at every _WAKE_PERIOD: a signal handler may call this while the
        # thread it interrupts holds the lock inside the event.
        self._woken = True

    def _take(self, limit: int) -> list[Claim]:
        fresh = self._listing.refresh()
        claims = self._pick(limit)
        if not claims and not fresh:
            # Others have claimed all tickets in memory; the folder may have more.
            self._listing.refresh()
            claims = self._pick(limit)
        return claims

    def _pick(self, limit: int) -> list[Claim]:
        claims: list[Claim] = []
        while len(claims) < limit and (session := self._listing.take()) is not None:
            claim = self.claim_one(session)
            if claim is not None:
                claims.append(claim)
        return claims

    def claim_one(self, session: str) -> Claim | None:
        file = self._claims.take(session, self.owner.id)
        if file is None:
            return None
        return DirectoryClaim(Job(session, self.kind), file, self._claims, self._holds)

    def recover(self) -> int:
        return self._claims.recover("" if self._owner is None else self._owner.id)

    def _recover_now_and_then(self) -> bool:
        """Take the claims of the dead back if it is time; whether there were any."""
        now = time.monotonic()
        if now - self._recovered_at < _RECOVERY_PERIOD:
            return False
        self._recovered_at = now
        if not self.recover():
            return False
        self._listing.mark_incomplete()
        return True

    def announce(self, **facts: Any) -> None:
        self.owner.announce(**facts)

    def beat(self) -> None:
        self.owner.beat()

    def workers(self) -> list[dict[str, Any]]:
        return _owners.living(self._folders.owners)

    def __len__(self) -> int:
        return sum(1 for _ in self.waiting())

    def waiting(self) -> Iterable[str]:
        return filter(NAME.fullmatch, self._folders.names(self._folders.pool))

    def order(self, limit: int) -> list[str] | None:
        sessions: list[str] = []
        # No further than needed: reading a million names takes a second.
        for name in filter(NAME.fullmatch, self._folders.tickets()):
            sessions.append(name)
            if len(sessions) > limit:
                return None
        return sorted(sessions)

    def refresh(self) -> None:
        self._listing.refresh()

    def next_waiting(self) -> str | None:
        while (session := self._listing.take()) is not None:
            try:
                if self.waits(session):
                    return session
            except OSError:
                self._listing.mark_incomplete()  # it is to come again
                raise
        return None

    def waits(self, session: str) -> bool:
        return is_there(self._ticket(session))

    def has(self, session: str) -> bool:
        # Each place twice: one that is given back between two looks, and perhaps claimed again
        # before the next one, is at neither of two places.
        looks = (self.waits, self._claims.has) * 2
        return any(look(session) for look in looks)

    def claims(self) -> list[ClaimStatus]:
        return self._claims.statuses()

    def claimed(self) -> dict[str, str]:
        # From the names alone: nobody has to read heartbeats for it.
        return {claim.session: claim.owner for claim in self._claims.of_sessions()}

    def held_sessions(self) -> list[str]:
        return self._holds.sessions()

    def hold_reason(self, session: str) -> str | None:
        return self._holds.reason(session)

    def hold(self, session: str, reason: str) -> None:
        self._holds.add(session, reason)

    def release(self, session: str) -> bool:
        # One rename: at each moment the job is on hold or it waits, and never both or neither.
        if not self._holds.move(session, self._ticket(session)):
            return False
        self._disk.sync_directory(self.pool)
        self._disk.sync_directory(Path(self._folders.hold))
        return True

    def strays(self, now: float) -> list[Stray]:
        return find_strays(self._folders, now)

    def tidy(self, stray: Stray) -> None:
        tidy(self._folders, self._holds, self._disk, stray)

    def drop_hold(self, session: str) -> None:
        self._holds.drop(session)

    def listen_for_arrivals(self, ring: Callable[[], None]) -> None:
        def arrived(name: str) -> None:
            self._listing.add(name)
            ring()

        def missed() -> None:
            self._listing.mark_incomplete()
            ring()

        if self._arrivals is not None:
            self._arrivals.close()
        self._arrivals = Doorbell(self.pool, arrived, "arrivals", missed)
        # What came while nobody listened is in the folder only.
        self._listing.mark_incomplete()

    def _listen_as_claimer(self) -> None:
        # One thread at a time: of two doorbells, one would stay behind, and its thread with it.
        with self._listening:
            if self._use_doorbell and (self._arrivals is None or self._arrivals.lost):
                self._folders.make()
                self.listen_for_arrivals(self._rung.set)

    def listen_for_ends(self, ring: Callable[[str], None]) -> bool:
        if self._ends is None or self._ends.lost:
            if self._ends is not None:
                self._ends.close()
            self._folders.make()
            self._ends = Doorbell(
                Path(self._folders.claimed), lambda name: ring(name.partition("@")[0]), "removals"
            )
        return self._ends.working

    def close(self) -> None:
        for bell in (self._arrivals, self._ends):
            if bell is not None:
                bell.close()
        self._arrivals = self._ends = None
        if self._owner is not None:
            for claim in self._claims.of_sessions():
                if claim.owner == self._owner.id:
                    self._claims.give_back(claim.file)
            self._owner.close()
            self._owner = None
