"""The waiting tickets of a queue folder, oldest first, with as little reading as possible."""

from __future__ import annotations

import threading

from scai.queues._backlog import Backlog
from scai.queues._folders import QueueFolders
from scai.storage.pace import Pace
from scai.storage.session import NAME


class Listing:
    """Tickets that were read from the folder or reported by an event; each can be taken once.

    The folder is read again when all are taken, when events were missed, and every `sweep` seconds,
    or more seldom where reading takes long. A ticket that is taken may be gone from the folder.
    """

    def __init__(self, folders: QueueFolders, sweep: float) -> None:
        self._folders = folders
        self._sweep = sweep
        self._backlog = Backlog(NAME.fullmatch)
        self._pace = Pace(sweep)
        self._turn = threading.Lock()

    @property
    def old(self) -> bool:
        """Whether the last reading was `sweep` seconds ago."""
        return self._pace.age >= self._sweep

    def add(self, name: str) -> None:
        """Add the name of an arrival. Safe to call from any thread."""
        self._backlog.add(name)

    def mark_incomplete(self) -> None:
        """Read the folder at the next `refresh`: something may have arrived without an event."""
        self._backlog.incomplete = True

    def refresh(self) -> bool:
        """Read the folder if it is time; whether it was."""
        with self._turn:
            if self._backlog and not self._backlog.incomplete and not self._pace.due:
                return False
            with self._pace.reading():
                self._backlog.read(self._folders.tickets())
            return True

    def take(self) -> str | None:
        """Remove and return the oldest ticket in memory; None when there is none."""
        with self._turn:
            return self._backlog.take()
