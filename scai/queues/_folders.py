"""The folders of a directory queue, which are made anew when somebody removed them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class QueueFolders:
    """Paths of the queue in the folder `pool`, as text: joining Paths costs more than a rename.

    With `look_only`, nothing is ever made; what is missing is empty.
    """

    def __init__(self, pool: Path, *, look_only: bool = False) -> None:
        self.pool = os.fspath(pool)
        self.claimed = f"{self.pool}/.claimed"
        self.hold = f"{self.pool}/.hold"
        self.owners = f"{self.pool}/.owners"
        self.blank = f"{self.pool}/.blank"
        self._look_only = look_only
        self.make()

    def make(self) -> None:
        """Make what is missing."""
        if self._look_only:
            return
        for folder in (self.pool, self.claimed, self.hold, self.owners):
            os.makedirs(folder, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.blank, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))

    def names(self, folder: str) -> list[str]:
        """The names in one of the folders."""
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            self.make()
            return []

    def tickets(self) -> Iterator[str]:
        """The names in the pool, one by one: reading a million of them takes a second."""
        try:
            with os.scandir(self.pool) as entries:
                for entry in entries:
                    yield entry.name
        except FileNotFoundError:
            self.make()
