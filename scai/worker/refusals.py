"""Jobs whose session the disk refuses, by their record or their picture: they keep no other job.

Such a claim is kept here and tried again, ever more rarely. The others in the queue are claimed
past it. A job that is refused for minutes, while another file of the same folder can be written
and read, is put on hold for a person. While none can, the disk is out of order, and no job is
to blame.
"""

from __future__ import annotations

import errno
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scai.queues.base import Claim

log = logging.getLogger(__name__)

# Refusals of this kind are about the whole machine.
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# Seconds before the second try, doubled from try to try up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# Most claims that one worker keeps; those beyond are given back.
_MOST = 1000


@dataclass
class _Refused:
    """A claim that was refused: since when, how often, and when it is tried again; by the clock."""

    claim: Claim
    since: float
    tries: int = 0
    due: float = 0.0
    is_kept: bool = True


def works(folder: Path) -> bool:
    """Whether a small file can be written into a folder and read again; it never gets a name."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(b"x")
            file.seek(0)
            return file.read() == b"x"
    except OSError:
        return False


class Refusals:
    """Keeps the claims of sessions that are refused. Safe between threads.

    A job is put on hold after at least `tries` refusals over at least `minutes`, while
    `is_sound()`: whether other sessions can be written and read. `clock` never steps.
    """

    def __init__(
        self,
        is_sound: Callable[[], bool],
        *,
        tries: int = 8,
        minutes: float = 5.0,
        most: int = _MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_sound = is_sound
        self._tries, self._seconds, self._most = tries, 60 * minutes, most
        self._clock = clock
        self._lock = threading.Lock()
        # Sessions that were refused lately; whoever has used the files of one is to `forget` it.
        self.known: dict[str, _Refused] = {}

    def keep(self, claim: Claim, error: OSError) -> bool:
        """Keep a claim for later, or put its job on hold; False if the caller is to give it back.

        Raises OSError if the job cannot be put on hold.
        """
        if error.errno in _OF_THE_MACHINE or not self._is_sound():
            return False
        name, now = claim.job.session, self._clock()
        with self._lock:
            refused = self.known.get(name)
            if refused is None:
                if len(self.known) >= self._most:
                    self.known = {n: kept for n, kept in self.known.items() if kept.is_kept}
                if len(self.known) >= self._most:
                    return False
                refused = self.known[name] = _Refused(claim, now)
            refused.tries += 1
            if refused.tries < self._tries or now - refused.since < self._seconds:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (refused.tries - 1))
                refused.claim, refused.due, refused.is_kept = claim, now + pause, True
                return True
            del self.known[name]
        log.error("session %s on hold: %s", name, error)
        claim.hold(f"its files cannot be read or written: {error}")
        return True

    def take_due(self) -> list[Claim]:
        """The claims to try again now, which are the caller's; those lost are forgotten."""
        now, due = self._clock(), []
        with self._lock:
            for name, refused in list(self.known.items()):
                if refused.is_kept and refused.due <= now:
                    refused.is_kept = False
                    if refused.claim.is_current(refused.claim.token):
                        due.append(refused.claim)
                    else:
                        del self.known[name]
        return due

    def forget(self, session: str) -> None:
        """The files of that session are in order, or it has ended."""
        with self._lock:
            self.known.pop(session, None)

    def give_back(self) -> None:
        """Let all that are kept wait again. One that cannot returns when the worker ends."""
        with self._lock:
            kept = [refused for refused in self.known.values() if refused.is_kept]
            for refused in kept:
                refused.is_kept = False
        for refused in kept:
            try:
                refused.claim.give_back()
            except OSError as error:
                name = refused.claim.job.session
                log.error("session %s: cannot be given back: %s", name, error)
