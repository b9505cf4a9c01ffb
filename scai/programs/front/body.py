"""The body of one request while it arrives: in memory, or in a file of the session folder."""

from __future__ import annotations

import errno
import io
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from scai.programs.front.pool import Pool
from scai.storage.upload_spool import Spool

log = logging.getLogger(__name__)

# Bytes that are written to the file at a time.
_PORTION = 256 * 1024
# Bytes that wait in memory for a slow disk before nothing is read any more.
_AHEAD = 1024 * 1024


class BodyRoom:
    """Where bodies lie, and how much of them is in memory.

    folder: of the files; in_memory: the largest body in memory; bodies: bytes of all of them
    """

    def __init__(self, folder: Path, pool: Pool, in_memory: int, bodies: int) -> None:
        self.folder = folder
        self.pool = pool
        self.in_memory = in_memory
        self.used = 0
        self._bodies = bodies
        self._lock = threading.Lock()

    def count(self, more: int) -> None:
        """Count so many more bytes in memory, or fewer. In any thread."""
        with self._lock:
            self.used += more

    @property
    def full(self) -> bool:
        """Whether further bodies go to files at once."""
        return self.used > self._bodies


class Body:
    """One body of at most `limit` bytes.

    changed: called in a thread when something was written, or could not be
    """

    def __init__(self, room: BodyRoom, limit: int, changed: Callable[[], None]) -> None:
        self.size = 0
        self.error: OSError | None = None
        self._room = room
        self._limit = limit
        self._changed = changed
        # What is in memory and not being written. A list of pieces would take twenty times as much
        # where they are tiny.
        self._held: bytearray | bytes = bytearray()
        self._spool: Spool | None = None
        self._writing = False
        # Whoever gives a body up may do so while a thread writes it.
        self._lock = threading.Lock()

    def add(self, data: bytes) -> bool:
        """Add the next bytes; False if the body is larger than it may be."""
        self.size += len(data)
        if self.size > self._limit:
            return False
        self._held += data
        self._room.count(len(data))
        if self._spool is None and (self.size > self._room.in_memory or self._room.full):
            self._spool = Spool(self._room.folder, self._limit, in_memory=0)
        if self._spool is not None and (len(self._held) >= _PORTION or self._room.full):
            self.flush()
        return True

    @property
    def must_wait(self) -> bool:
        """Whether nothing more should be read until something was written."""
        return self._writing and (len(self._held) >= _AHEAD or self._room.full)

    def flush(self) -> bool:
        """Write what is held to the file, if there is one; whether nothing is left to write."""
        if self._spool is None or self.error is not None:
            return True
        if not self._writing and self._held:
            data, self._held, self._writing = bytes(self._held), bytearray(), True
            spool = self._spool
            try:
                self._room.pool.submit(lambda: self._write(spool, data))
            except RuntimeError as error:
                self._written(len(data), OSError(errno.EAGAIN, str(error)))
        return not self._writing

    def _write(self, spool: Spool, data: bytes) -> None:
        failure = None
        try:
            with self._lock:
                if not spool.closed:
                    spool.write(data)
        except OSError as error:
            failure = error
        self._written(len(data), failure)

    def _written(self, size: int, error: OSError | None) -> None:
        # Until now they were in memory.
        self._room.count(-size)
        self.error = error
        self._writing = False
        self._changed()

    def open(self) -> IO[bytes]:
        """The body to be read, when all of it is there."""
        if self._spool is None:
            self._held = bytes(self._held)
            return io.BytesIO(self._held)
        assert isinstance(self._spool.picture, Path)
        return self._spool.picture.open("rb", buffering=0)

    @property
    def file(self) -> Spool | None:
        """The file that holds the whole body, if it is in one; it may be moved away."""
        return self._spool

    def forget(self) -> None:
        """Count the memory of this body no longer. In the event loop."""
        self._room.count(-len(self._held))
        self._held = b""

    def remove(self) -> None:
        """Remove the file, unless it was moved away. In a thread."""
        if self._spool is not None:
            try:
                with self._lock:
                    self._spool.close()
            except OSError as error:
                log.error("the file of a body stays until the cleaner removes it: %s", error)

    def abandon(self) -> None:
        """Give up a body of which nobody wants to know any more. In the event loop."""
        self.forget()
        if self._spool is not None:
            try:
                self._room.pool.submit(self.remove)
            except RuntimeError as error:
                log.error("the file of a body stays until the cleaner removes it: %s", error)
