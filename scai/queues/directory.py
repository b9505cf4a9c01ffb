"""The queue that is a directory: an empty file `pooling/<kind>/<session name>` waits.

This is SCAI's public protocol: whoever makes a session directory and touches a ticket is a
client. Beside the tickets lie, hidden from a plain `ls`:

    .claimed/<session name>@<owner>+<number>   claimed by that owner (one rename); removed when the
                                      job has its verdict. No two claims ever have the same name
    .owners/<owner>.lock, .json       flocked while the owner lives, see scai/queues/_owners.py
    .hold/<session name>              set aside; the text in it is the reason
    .journal/<minute>                 a line for each verdict, see scai/monitoring/journal.py
    .blank                            an empty file; our own tickets are further names of it

A ticket is in exactly one of the three places. Renames need no flush: after a power cut a
ticket stands at one of its two places, and both lead to a run.

A name that somebody else may hold is never unlinked. Each claim has a name of its own, so whoever
holds the claim, or buries its dead owner, alone removes it. A ticket may be claimed, given back and
claimed again at any moment; only `withdraw` and a `place` that failed remove one.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from scai.queues import _owners
from scai.queues._backlog import Backlog
from scai.queues._claims import DirectoryClaim, session_and_owner
from scai.queues._doorbell import Doorbell
from scai.queues.base import Claim, Job, JobQueue
from scai.storage.disk import Disk
from scai.storage.session import NAME

log = logging.getLogger(__name__)

CLAIMED = ".claimed"
HOLD = ".hold"
_BLANK = ".blank"
# A dead owner's claims are to be back within 2 s, so idle claimers look this often, in seconds.
_RECOVERY_PERIOD = 1.0
_LONGEST_TURN = 0.5
# A backlog is used up before the folder is read again, but for this many times as long as reading
# took: of a million tickets, it is a hundredth of the time.
_REST = 100


class DirectoryQueue(JobQueue):
    """Tickets in the folder `pool`, which is made when it is missing.

    `sweep` is the longest time in seconds between two listings while waiting; with `doorbell`
    file events shorten it to milliseconds.
    """

    def __init__(
        self,
        pool: Path,
        kind: str,
        *,
        sweep: float = 2.0,
        doorbell: bool = True,
        disk: Disk | None = None,
    ) -> None:
        self.kind = kind
        self.pool = pool
        self._folder = os.fspath(pool)
        self._claimed = pool / CLAIMED
        self._hold = pool / HOLD
        self._disk = disk or Disk()
        self._sweep = sweep
        self._use_doorbell = doorbell
        self._bell: Doorbell | None = None
        self._done_bell: Doorbell | None = None
        self._woken = False
        self._rung = threading.Event()
        self._owner: _owners.Owner | None = None
        self._owning = threading.Lock()
        self._claim_numbers = itertools.count(1)
        self._taking = threading.Lock()
        self._backlog = Backlog(NAME.fullmatch)
        self._listed_at = -float("inf")
        self._listing_took = 0.0
        self._recovered_at = -float("inf")
        self._make_folders()

    def _make_folders(self) -> None:
        for folder in (self.pool, self._claimed, self._hold, self.pool / _owners.FOLDER):
            folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.pool / _BLANK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))

    def _names(self, folder: Path) -> list[str]:
        """What lies in one of our folders; they are made anew when somebody removed them."""
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            self._make_folders()
            return []

    @property
    def owner(self) -> _owners.Owner:
        """This process as a claimer; comes into being at its first use."""
        with self._owning:
            if self._owner is None:
                self._owner = _owners.Owner(self.pool)
            return self._owner

    def place(self, job: Job) -> Callable[[], None]:
        # An empty file cannot be half-written, so this one call is the commit point.
        ticket = f"{self._folder}/{job.session}"
        try:
            # A further name of one empty file: making and removing a file of its own costs more.
            os.link(f"{self._folder}/{_BLANK}", ticket)
        except FileExistsError:
            return partial(self._flush, ticket, ours=False)
        except OSError:
            return partial(self._flush, ticket, ours=self._make_ticket(ticket))
        return partial(self._flush, ticket, ours=True)

    def _make_ticket(self, ticket: str) -> bool:
        """Create an empty file of its own; False when the ticket was there already.

        For a queue folder without a blank, or with a blank that has as many names as can be.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.close(os.open(ticket, flags, 0o640))
        except FileExistsError:
            return False
        except FileNotFoundError:
            self._make_folders()
            os.close(os.open(ticket, flags, 0o640))
        return True

    def _flush(self, ticket: str, *, ours: bool) -> None:
        """Flush the queue folder. When that fails, remove the ticket if this call made it."""
        try:
            self._disk.sync_directory(self.pool)
        except OSError:
            if ours:
                Path(ticket).unlink(missing_ok=True)
            raise

    def claim(self, limit: int, timeout: float) -> list[Claim]:
        deadline = time.monotonic() + timeout
        self._listen()
        look = True
        while True:
            self._rung.clear()
            look |= self._recover_now_and_then()
            look |= time.monotonic() - self._listed_at >= self._sweep
            claims = self._take(limit) if look else []
            left = deadline - time.monotonic()
            if claims or left <= 0 or self._woken:
                self._woken = False
                return claims
            look = self._rung.wait(min(left, self._sweep, _LONGEST_TURN))

    def wake(self) -> None:
        # A plain flag, looked at within _LONGEST_TURN: a signal handler may call this while the
        # thread it interrupts holds the lock inside the event.
        self._woken = True

    def _listen(self) -> None:
        if self._use_doorbell and (self._bell is None or self._bell.lost):
            self._make_folders()
            self._hear(self._arrived)

    def _arrived(self, name: str) -> None:
        self._backlog.tell(name)
        self._rung.set()

    def _events_missed(self) -> None:
        self._backlog.incomplete = True
        self._rung.set()

    def listen_for_arrivals(self, ring: Callable[[], None]) -> None:
        """Call `ring`, from another thread, whenever a ticket arrives."""

        def arrived(name: str) -> None:
            self._backlog.tell(name)
            ring()

        self._hear(arrived)

    def look(self) -> None:
        """Read the folder if it is time, so that `next_waiting` knows what no event told."""
        with self._taking:
            self._refresh()

    def next_waiting(self) -> str | None:
        """The oldest waiting session, which is not claimed, only not told again until the next
        reading of the folder or its next arrival; None when no further one is known.
        """
        with self._taking:
            while (name := self._backlog.take()) is not None:
                if self.waits(name):
                    return name
        return None

    def waits(self, session: str) -> bool:
        """Whether that session's ticket stands in the folder."""
        return os.path.exists(f"{self._folder}/{session}")

    def _hear(self, ring: Callable[[str], None]) -> None:
        if self._bell is not None:
            self._bell.close()
        self._bell = Doorbell(self.pool, ring, "arrivals", self._events_missed)
        # What came while nobody listened is in the folder only.
        self._backlog.incomplete = True

    def _take(self, limit: int) -> list[Claim]:
        with self._taking:
            fresh = self._refresh()
            claims = self._pick(limit)
            if not claims and not fresh:
                # Others have taken all that was known.
                self._refresh()
                claims = self._pick(limit)
            return claims

    def _pick(self, limit: int) -> list[Claim]:
        claims: list[Claim] = []
        while len(claims) < limit and (name := self._backlog.take()) is not None:
            claim = self._rename(name)
            if claim is not None:
                claims.append(claim)
        return claims

    def _refresh(self) -> bool:
        """Read the folder if it is time; whether it was."""
        started = time.monotonic()
        rest = max(self._sweep, _REST * self._listing_took)
        if self._backlog and not self._backlog.incomplete and started - self._listed_at < rest:
            return False
        try:
            with os.scandir(self.pool) as entries:
                self._backlog.read(entry.name for entry in entries)
        except FileNotFoundError:
            self._make_folders()
        self._listed_at = time.monotonic()
        self._listing_took = self._listed_at - started
        return True

    def claim_one(self, session: str) -> Claim | None:
        return self._rename(session)

    def _rename(self, name: str) -> Claim | None:
        # The number makes the name new, so rename(2) always moves the ticket: where the target is
        # another name of the same file, it would do nothing.
        taken = f"{self._folder}/{CLAIMED}/{name}@{self.owner.id}+{next(self._claim_numbers)}"
        try:
            os.rename(f"{self._folder}/{name}", taken)
        except FileNotFoundError:
            return None  # another worker was faster
        return DirectoryClaim(Job(name, self.kind), taken, self._return, self.set_aside)

    def withdraw(self, session: str) -> bool:
        ticket = Path(f"{self._folder}/{session}")
        ticket.unlink(missing_ok=True)
        if self._is_claimed(session):
            return False
        ticket.unlink(missing_ok=True)  # given back between the two looks
        self.forget(session)
        return True

    def order(self, most: int) -> list[str] | None:
        names: list[str] = []
        try:
            with os.scandir(self.pool) as entries:
                # No further than needed: reading a million names takes a second.
                for entry in entries:
                    if NAME.fullmatch(entry.name):
                        names.append(entry.name)
                        if len(names) > most:
                            return None
        except FileNotFoundError:
            self._make_folders()
        return sorted(names)

    def waiting(self) -> Iterable[str]:
        """The names of the waiting jobs, in no order; anything else in the folder is ignored."""
        return filter(NAME.fullmatch, self._names(self.pool))

    def __len__(self) -> int:
        return sum(1 for _ in self.waiting())

    def claimed(self) -> dict[str, str]:
        """Session names that are being worked on, each with the id of its owner."""
        pairs = map(session_and_owner, self._names(self._claimed))
        return {session: owner for session, owner in pairs if NAME.fullmatch(session)}

    def has(self, session: str) -> bool:
        """Whether that session waits or is being worked on."""
        # The ticket twice, for one that is given back between the two looks is at neither place.
        return self.waits(session) or self._is_claimed(session) or self.waits(session)

    def _is_claimed(self, session: str) -> bool:
        return any(name.startswith(session) for name in self._names(self._claimed))

    def held(self) -> dict[str, str]:
        found = {}
        for file in self._hold.iterdir():
            if NAME.fullmatch(file.name):
                found[file.name] = file.read_text(encoding="utf-8", errors="replace").strip()
        return found

    def workers(self) -> list[dict[str, Any]]:
        return _owners.living(self.pool)

    def listen(self, ring: Callable[[str], None]) -> bool:
        if self._done_bell is None or self._done_bell.lost:
            if self._done_bell is not None:
                self._done_bell.close()
            self._make_folders()
            self._done_bell = Doorbell(
                self._claimed, lambda name: ring(name.partition("@")[0]), "removals"
            )
        return self._done_bell.working

    def recover(self) -> int:
        """Put the claims of dead owners back; how many there were."""
        by_owner: dict[str, list[str]] = {name: [] for name in _owners.known(self.pool)}
        for name in self._names(self._claimed):
            by_owner.setdefault(session_and_owner(name)[1], []).append(name)
        if self._owner is not None:
            by_owner.pop(self._owner.id, None)
        count = 0
        for owner, names in by_owner.items():
            with _owners.burial(self.pool, owner) as dead:
                if dead:
                    count += sum(self._return(name) for name in names)
                    log.warning("owner %s is gone; %d of its jobs wait again", owner, len(names))
        return count

    def _return(self, claimed: str) -> bool:
        """Let a claimed job wait again; False when the claim was gone."""
        claim = f"{self._folder}/{CLAIMED}/{claimed}"
        try:
            os.rename(claim, f"{self._folder}/{session_and_owner(claimed)[0]}")
        except FileNotFoundError:
            return False
        # Where a client has put the ticket anew, both are names of one file, and rename(2) did
        # nothing. The claim's name is this claim's alone, so no later claim can be hit.
        with suppress(FileNotFoundError):
            os.unlink(claim)
        return True

    def _recover_now_and_then(self) -> bool:
        """Take the claims of the dead back if it is time; whether there were any."""
        now = time.monotonic()
        if now - self._recovered_at < _RECOVERY_PERIOD:
            return False
        self._recovered_at = now
        if not self.recover():
            return False
        self._backlog.incomplete = True
        return True

    def set_aside(self, name: str, reason: str) -> None:
        """Write the hold file of a session; its ticket is removed by the caller."""
        self._disk.publish(self._hold / name, (reason.strip() + "\n").encode())

    def forget(self, name: str) -> None:
        """Drop the hold file of a session that is no more."""
        try:
            os.unlink(f"{self._folder}/{HOLD}/{name}")
        except FileNotFoundError:
            pass

    def close(self) -> None:
        for bell in (self._bell, self._done_bell):
            if bell is not None:
                bell.close()
        self._bell = self._done_bell = None
        if self._owner is not None:
            for name in self._names(self._claimed):
                if session_and_owner(name)[1] == self._owner.id:
                    self._return(name)
            self._owner.close()
            self._owner = None
