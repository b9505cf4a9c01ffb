"""Messages between the worker and a helper: a length, then JSON; bytes of pictures go beside them.

The helper may be in a stranger's hands, so the worker trusts nothing in its messages: each is
bounded and checked. Files and pixels lie in memory that both processes see, at most `SharedMemory`.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import socket
import struct
from typing import Any

# Longest message in bytes.
MAX_MESSAGE = 16 * 1024
_LENGTH = struct.Struct("!I")
_SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
# Bytes from which on memory is given back between two pictures; less is kept for the next one.
_LARGE = 4_000_000


class WireError(Exception):
    """The other side sent what is no message, or is gone."""


class Channel:
    """One end of the channel. A message that is late in parts is not lost."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = b""

    def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises WireError when the other side is gone."""
        data = json.dumps(message).encode()
        if len(data) > MAX_MESSAGE:
            raise WireError(f"expected at most {MAX_MESSAGE} bytes, got {len(data)}")
        try:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise WireError(f"the other side is gone: {error}") from error

    def receive(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message; `timeout` is in seconds, None for ever.

        Raises WireError for anything that is no message, and TimeoutError.
        """
        self._socket.settimeout(timeout)
        (length,) = _LENGTH.unpack(self._peek(_LENGTH.size))
        if length > MAX_MESSAGE:
            raise WireError(f"expected at most {MAX_MESSAGE} bytes, got {length}")
        data = self._peek(_LENGTH.size + length)[_LENGTH.size :]
        self._buffer = self._buffer[_LENGTH.size + length :]
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise WireError("expected JSON") from error
        if not isinstance(message, dict):
            raise WireError("expected an object")
        return message

    def _peek(self, size: int) -> bytes:
        """The first bytes that are not taken yet."""
        while len(self._buffer) < size:
            try:
                part = self._socket.recv(2 * MAX_MESSAGE)
            except TimeoutError:
                raise
            except OSError as error:
                raise WireError(f"the other side is gone: {error}") from error
            if not part:
                raise WireError("the other side is gone")
            self._buffer += part
        return self._buffer[:size]

    def close(self) -> None:
        """Let the other side find that this one is gone."""
        self._socket.close()


class SharedMemory:
    """Memory of a fixed size that worker and helper see, without a name in any folder.

    Pages take memory only once something is written to them. The size is sealed: a helper that
    could cut it would stop the worker by SIGBUS.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self._map = mmap.mmap(descriptor, size)

    @classmethod
    def create(cls, size: int) -> SharedMemory:
        """Make new memory; the descriptor is for a child. Raises OSError."""
        descriptor = os.memfd_create("pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            return cls(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise

    def view(self, start: int, size: int) -> memoryview:
        """Bytes of the memory; release the view before `close`."""
        if not 0 <= start <= start + size <= self.size:
            raise WireError(f"expected bytes within {self.size}, got {start} to {start + size}")
        return memoryview(self._map)[start : start + size]

    def empty(self, used: int) -> None:
        """Give back the memory of the first `used` bytes, if they are many."""
        if used > _LARGE:
            self._map.madvise(mmap.MADV_REMOVE, 0, min(self.size, used))

    def close(self) -> None:
        """Let go of it; the memory is free when the other process has, too."""
        self._map.close()
        os.close(self.descriptor)
