"""Bytes of a picture, in memory or in a file, read piece by piece and counted."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType

from scai.errors import BadImage, TooExpensive

BLOCK_BYTES = 1 << 16
_FIRST_BLOCK_BYTES = 1 << 12


class Source:
    """A picture's bytes by position.

    `size` is the length in bytes; `bytes_read` counts what was asked for. A file is read by
    position and never mapped: one that shrinks meanwhile gives short reads and no signal.
    """

    def __init__(self, data: bytes | os.PathLike[str] | str) -> None:
        self._data: bytes | None = None
        self._file = -1
        if isinstance(data, bytes):
            self._data, self.size = data, len(data)
        else:
            self._file = os.open(Path(data), os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._file).st_size
        self.bytes_read = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def some(self, place: int, count: int) -> bytes:
        """Up to `count` bytes from `place` on; fewer at the end."""
        piece = (
            os.pread(self._file, count, place)
            if self._data is None
            else self._data[place : place + count]
        )
        self.bytes_read += len(piece)
        return piece

    def exactly(self, place: int, count: int) -> bytes:
        """The `count` bytes from `place` on. Raises BadImage where the file ends before."""
        piece = self.some(place, count)
        if len(piece) < count:
            raise cut_off()
        return piece

    def search(self, pattern: re.Pattern[bytes], place: int, width: int) -> int:
        """Where `pattern`, which matches at most `width` bytes, begins first; -1 for nowhere.

        It reads block by block, a small one first; other threads run in between.
        """
        length = _FIRST_BLOCK_BYTES
        while place < self.size:
            block = self.some(place, length)
            match = pattern.search(block)
            if match is not None:
                return place + match.start()
            if len(block) < length:
                break
            place += length - width + 1
            length = BLOCK_BYTES
        return -1


def cut_off() -> BadImage:
    """The error for a picture that ends too early."""
    return BadImage("this picture is damaged or cut off; send the whole file", stage="header")


def damaged(what: str) -> BadImage:
    """The error for a picture that breaks the rules of its format; `what` says where."""
    return BadImage(f"the header of this picture is damaged: {what}", stage="header")


def at_most(count: int, limit: int, what: str) -> None:
    """Raise TooExpensive when there are more than `limit` of something, such as "segments"."""
    if count > limit:
        raise TooExpensive(
            f"expected at most {limit:,} {what}, got {count:,} or more; save the picture anew",
            stage="header",
            limit=limit,
        )
