"""The bytes of an upload while they arrive.

A small picture stays in memory while there is room for it. Any other is a file in the session
folder, so it need not be copied when its session is made.
"""

from __future__ import annotations

import io
import secrets
from pathlib import Path

from scai.storage.memory_budget import MemoryBudget
from scai.storage.rights import new_file

# The name of such a file begins so; a crash may leave one behind.
PREFIX = ".up-"
# The largest picture that is kept in memory, in bytes.
IN_MEMORY = 1_000_000


class Spool(io.RawIOBase):
    """One picture as it arrives; above `limit` bytes it is dropped, and `too_large` is set.

    in_memory: the largest picture in memory, in bytes
    memory: what the bytes in memory are taken from; without it there is always room.

    The file of a picture that is large, or found no room, lies in `folder`. `close` removes it,
    unless it was moved away.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        *,
        in_memory: int = IN_MEMORY,
        memory: MemoryBudget | None = None,
    ) -> None:
        self.too_large = False
        self._in_memory = in_memory
        self._folder = folder
        self._limit = limit
        self._memory = memory
        self._size = 0
        self._held = 0
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
        elif self._path is None and self._size <= self._in_memory and self._hold(len(data)):
            self._parts.append(data)
        elif data:
            self._append(data)
        return len(data)

    def finish(self) -> None:
        """Take the picture for whole: nothing more will be written, and no file stays open."""
        self._parts = [b"".join(self._parts)]
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def picture(self) -> bytes | Path:
        """The bytes that arrived, or the file that holds them."""
        return b"".join(self._parts) if self._path is None else self._path

    def close(self) -> None:
        self._drop()
        super().close()

    def _hold(self, size: int) -> bool:
        if self._memory is not None and not self._memory.acquire(size):
            return False
        self._held += size
        return True

    def _let_go(self) -> None:
        """Forget the bytes in memory."""
        self._parts = []
        if self._memory is not None:
            self._memory.release(self._held)
        self._held = 0

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._path = self._folder / f"{PREFIX}{secrets.token_hex(16)}"
            self._file = io.FileIO(new_file(self._path), "wb")
            for part in self._parts:
                self._write(part)
            self._let_go()
        self._write(data)

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    def _drop(self) -> None:
        self._let_go()
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None
