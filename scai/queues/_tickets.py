"""Tickets of the directory queue: empty files in its folder, named as their sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from scai.queues._folders import QueueFolders
from scai.storage.session import NAME


class TicketFolder:
    """The queue folder itself; anything in it that is not named as a session is ignored."""

    def __init__(self, folders: QueueFolders) -> None:
        self._folders = folders

    def _path(self, session: str) -> str:
        return f"{self._folders.pool}/{session}"

    def add(self, session: str) -> bool:
        """Make the ticket of a session; False if it was there already."""
        # An empty file cannot be half-written, so this one call is the commit point.
        try:
            # A further name of one empty file: making and removing a file of its own costs more.
            os.link(self._folders.blank, self._path(session))
        except FileExistsError:
            return False
        except OSError:
            # There is no blank file, or it has as many names as can be.
            return self._add_file(session)
        return True

    def _add_file(self, session: str) -> bool:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.close(os.open(self._path(session), flags, 0o640))
        except FileExistsError:
            return False
        except FileNotFoundError:
            self._folders.make()
            os.close(os.open(self._path(session), flags, 0o640))
        return True

    def remove(self, session: str) -> None:
        """Remove the ticket of a session, if there is one."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(session))

    def has(self, session: str) -> bool:
        """Whether that session has a ticket."""
        return os.path.exists(self._path(session))

    def sessions(self) -> Iterator[str]:
        """The sessions that have tickets, in no order."""
        return filter(NAME.fullmatch, self._folders.names(self._folders.pool))

    def order(self, limit: int) -> list[str] | None:
        """The sessions that have tickets, oldest first; None if they are more than `limit`."""
        sessions: list[str] = []
        # No further than needed: reading a million names takes a second.
        for name in filter(NAME.fullmatch, self._folders.tickets()):
            sessions.append(name)
            if len(sessions) > limit:
                return None
        return sorted(sessions)
