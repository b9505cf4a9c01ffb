"""The bytes of an upload while they arrive.

A small picture stays in memory. A large one is a file in the session folder, so it need not be
copied when its session is made.
"""

from __future__ import annotations

import io
import os
import secrets
from pathlib import Path

# The name of such a file begins so; a crash may leave one behind.
PREFIX = ".up-"
# The largest picture that is kept in memory, in bytes.
IN_MEMORY = 1_000_000


class Spool(io.RawIOBase):
    """One picture as it arrives; above `limit` bytes it is dropped, and `too_large` is set.

    The file of a large one lies in `folder`. `close` removes it, unless it was moved away.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.too_large = False
        self._folder = folder
        self._limit = limit
        self._size = 0
        self._parts: list[bytes] = []
        self._path: Path | None = None
        self._file: io.FileIO | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Add the next bytes, all of them. Errors of the disk pass through."""
        self._size += len(data)
        if self._size > self._limit:
            self.too_large = True
            self._drop()
        elif self._size <= IN_MEMORY:
            self._parts.append(data)
        else:
            self._append(data)
        return len(data)

    def seek(self, position: int, whence: int = 0) -> int:
        """Do nothing: parsers of forms go back to the start of a file that they wrote."""
        return 0

    @property
    def picture(self) -> bytes | Path:
        """The bytes that arrived, or the file that holds them."""
        return b"".join(self._parts) if self._path is None else self._path

    def close(self) -> None:
        self._drop()
        super().close()

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._path = self._folder / f"{PREFIX}{secrets.token_hex(16)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = io.FileIO(os.open(self._path, flags, 0o640), "wb")
            data, self._parts = b"".join([*self._parts, data]), []
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    def _drop(self) -> None:
        self._parts = []
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None
