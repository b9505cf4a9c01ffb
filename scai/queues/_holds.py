"""Jobs of the directory queue that are set aside: a file under `.hold/` holds each one's reason."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from scai.queues._folders import QueueFolders
from scai.storage.disk import Disk
from scai.storage.json_files import to_bytes
from scai.storage.open_plain import open_plain
from scai.storage.rights import check_folder
from scai.storage.session import NAME

# Far above any reason of ours, in bytes; a person may write anything.
_MAX_REASON = 4000


class HoldFolder:
    """The folder `.hold`."""

    def __init__(self, folders: QueueFolders, disk: Disk) -> None:
        self._folders = folders
        self._disk = disk

    def add(self, session: str, reason: str) -> None:
        """Set the job of a session aside; the caller ends its claim."""
        path, text = Path(self._folders.hold, session), to_bytes(reason.strip() + "\n")
        check_folder(self._folders.hold)
        try:
            self._disk.publish(path, text)
        except IsADirectoryError:
            # A folder of that name is nobody's hold. It must not keep this job from its own.
            os.rename(path, f"{path}.folder-{secrets.token_hex(4)}")
            self._disk.publish(path, text)

    def move(self, session: str, ticket: str) -> bool:
        """Make the file of a session its ticket; False if there is none. Raises OSError."""
        path = f"{self._folders.hold}/{session}"
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode):
                return False
            os.rename(path, ticket)
        except FileNotFoundError:
            return False
        return True

    def drop(self, session: str) -> None:
        """Remove the file of a session, if there is one."""
        with suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(f"{self._folders.hold}/{session}")

    def sessions(self) -> list[str]:
        """The sessions that are set aside, in no order."""
        return list(filter(NAME.fullmatch, self._folders.names(self._folders.hold)))

    def reason(self, session: str) -> str | None:
        """The reason of one of them; None where there is no file that can be read."""
        try:
            with open_plain(f"{self._folders.hold}/{session}") as file:
                return file.read(_MAX_REASON).decode("utf-8", "replace").strip()
        except OSError:
            return None
