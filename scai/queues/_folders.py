"""The folders of a directory queue, which are made anew when somebody removed them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scai.errors import ConfigError
from scai.storage.disk import is_full
from scai.storage.rights import make_folder, make_folders, names_in, new_file


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
        try:
            self.make()
        except NotADirectoryError as error:
            raise ConfigError(f"{error.filename} must be a folder, and no link to one") from error

    def make(self) -> None:
        """Make what is missing. Raises NotADirectoryError where a link has the name of a folder."""
        if self._look_only:
            return
        make_folders(Path(self.pool))
        for folder in (self.claimed, self.hold, self.owners):
            make_folder(folder)
        try:
            os.close(new_file(self.blank))
        except FileExistsError:
            pass
        except OSError as error:
            # Without it, a ticket is a file of its own; a server must start on a full disk.
            if not is_full(error):
                raise

    def names(self, folder: str) -> list[str]:
        """The names in one of the folders; none in what is a link, or no folder at all."""
        try:
            return names_in(folder)
        except NotADirectoryError:
            return []
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
