"""Claims of the directory queue: files under `.claimed/`, each with a name of its own."""

from __future__ import annotations

import itertools
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from scai.queues import _owners
from scai.queues._folders import QueueFolders
from scai.queues._holds import HoldFolder
from scai.queues._leases import LeaseWatch
from scai.queues.base import Claim, ClaimStatus, Job
from scai.storage.rights import check_folder, is_there, new_file
from scai.storage.session import NAME

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClaimName:
    """The name of a claim's file, `<session>@<owner>+<number>`, in its parts.

    A name without a number is one of an earlier release.
    """

    file: str
    session: str
    owner: str
    number: str

    @classmethod
    def parse(cls, file: str) -> ClaimName:
        """The parts of any name; those that are missing are empty."""
        session, _, rest = file.partition("@")
        owner, _, number = rest.partition("+")
        return cls(file, session, owner, number)


class ClaimFolder:
    """The folder `.claimed`, in which no two claims ever have the same name.

    So the name of a claim's file is its token, and the file is there as long as it is current.
    """

    def __init__(self, folders: QueueFolders, leases: LeaseWatch) -> None:
        self._folders = folders
        self._leases = leases
        self._numbers = itertools.count(1)

    def take(self, session: str, owner: str) -> str | None:
        """Claim the ticket of a session; the claim's file name, or None if it does not wait."""
        # The number makes the name new, so rename(2) always moves the ticket: where the target is
        # another name of the same file, it would do nothing.
        file = f"{session}@{owner}+{next(self._numbers)}"
        check_folder(self._folders.claimed)
        try:
            os.rename(f"{self._folders.pool}/{session}", f"{self._folders.claimed}/{file}")
        except FileNotFoundError:
            return None  # another worker was faster
        return file

    def give_back(self, file: str) -> bool:
        """Let a claimed job wait again; False if the claim was gone. Raises OSError."""
        claim = f"{self._folders.claimed}/{file}"
        ticket = f"{self._folders.pool}/{ClaimName.parse(file).session}"
        try:
            os.rename(claim, ticket)
            while is_there(claim):
                # A client has put the ticket anew, both are names of one file, and rename(2) did
                # nothing. Neither may be unlinked: others may remove the ticket at this moment,
                # or give this claim back, because its owner was silent. So the ticket becomes
                # another file.
                self._replace(ticket, file)
                os.rename(claim, ticket)
        except FileNotFoundError:
            return False
        return True

    def _replace(self, ticket: str, file: str) -> None:
        """Put a new file in the place of a ticket; until then, it is one more claim of the job."""
        new = f"{self._folders.claimed}/{file}.{secrets.token_hex(4)}"
        os.close(new_file(new))
        os.rename(new, ticket)

    def remove(self, file: str) -> None:
        """Remove a claim whose job is done. This rings the portal's doorbell."""
        claim = f"{self._folders.claimed}/{file}"
        try:
            os.unlink(claim)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            log.warning("%s is not a file; left where it is", claim)

    def is_current(self, session: str, token: str) -> bool:
        """Whether `token` is the name of a claim of that session; any text may be asked for."""
        return (
            token.startswith(f"{session}@")
            and "/" not in token
            and is_there(f"{self._folders.claimed}/{token}")
        )

    def names(self) -> Iterator[ClaimName]:
        """The names of all claims."""
        return map(ClaimName.parse, self._folders.names(self._folders.claimed))

    def of_sessions(self) -> Iterator[ClaimName]:
        """Those of them that are claims; anything else that lies there is left alone."""
        return (claim for claim in self.names() if NAME.fullmatch(claim.session))

    def has(self, session: str) -> bool:
        """Whether that session is claimed."""
        return any(claim.session == session for claim in self.names())

    def statuses(self) -> list[ClaimStatus]:
        """The claims of sessions, with the heartbeats of their owners."""
        beats = _owners.heartbeat_times(self._folders.owners)
        return [
            ClaimStatus(claim.session, claim.owner, beats.get(claim.owner))
            for claim in self.of_sessions()
        ]

    def recover(self, own: str) -> int:
        """Give back the claims of dead and silent owners, except those of `own`; their number."""
        by_owner: dict[str, list[str]] = {
            owner: [] for owner in _owners.registered(self._folders.owners)
        }
        for claim in self.of_sessions():
            by_owner.setdefault(claim.owner, []).append(claim.file)
        by_owner.pop(own, None)
        count = 0
        for owner, files in list(by_owner.items()):
            with _owners.take_over_if_dead(self._folders.owners, owner) as dead:
                if dead:
                    count += sum(map(self._return_to_queue, by_owner.pop(owner)))
                    log.warning("owner %s is gone; %d of its jobs wait again", owner, len(files))
        return count + self._take_over_lapsed(by_owner)

    def _take_over_lapsed(self, by_owner: dict[str, list[str]]) -> int:
        """Give back the claims of those living owners that are silent; how many they were."""
        beats = _owners.heartbeat_times(self._folders.owners)
        lapsed = self._leases.lapsed(
            {file: beats.get(owner) for owner, files in by_owner.items() for file in files}
        )
        for file in lapsed:
            log.warning("claim %s: no heartbeat for %g s; it waits again", file, self._leases.lease)
        return sum(map(self._return_to_queue, lapsed))

    def _return_to_queue(self, file: str) -> bool:
        """Give a claim back; one that cannot be moved stays, and stops no other."""
        try:
            return self.give_back(file)
        except OSError as error:
            log.warning("%s stays among the claims: %s", file, error.strerror)
            return False


class DirectoryClaim(Claim):
    """A claim whose file is called `file`, on the job of one session."""

    def __init__(self, job: Job, file: str, claims: ClaimFolder, holds: HoldFolder) -> None:
        self.job = job
        self.token = file
        self._claims = claims
        self._holds = holds

    def done(self) -> None:
        self._claims.remove(self.token)

    def give_back(self) -> None:
        self._claims.give_back(self.token)

    def hold(self, reason: str) -> None:
        if self.is_current(self.token):
            self._holds.add(self.job.session, reason)
            self.done()

    def is_current(self, token: str) -> bool:
        return self._claims.is_current(self.job.session, token)
