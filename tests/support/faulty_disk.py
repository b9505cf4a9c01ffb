"""A disk that refuses one call: the n-th write, flush, close, rename or other, below one folder."""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from support.helpers import absolute

# Calls whose first argument is an open file, and calls whose first argument is a path.
OF_FILES = ("write", "fsync", "close", "fchmod")
OF_PATHS = ("rename", "replace", "link", "open", "mkdir", "unlink")
CALLS = (*OF_FILES, *OF_PATHS)


class FaultyDisk(AbstractContextManager["FaultyDisk"]):
    """Within the block, the call number `index` of the kind `call` fails with `error`.

    `counts` are the calls so far. `again` lists what was flushed a second time after its flush
    failed. With `index` -1, nothing fails.
    """

    def __init__(
        self, folder: Path, call: str = "", index: int = -1, error: int = errno.EIO
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.again: list[str] = []
        self._folder = f"{folder}/"
        self._call, self._index, self._error = call, index, error
        self._lock = threading.Lock()
        # Files whose flush failed, by name and inode.
        self._doubtful: set[tuple[str, int]] = set()
        self._real = {name: getattr(os, name) for name in CALLS}

    def __enter__(self) -> FaultyDisk:
        for name in CALLS:
            setattr(os, name, self._wrapped(name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)

    def _wrapped(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(first: Any, *arguments: Any, **named: Any) -> Any:
            if not self._is_ours(name, first, named):
                return real(first, *arguments, **named)
            with self._lock:
                fails = name == self._call and self.counts[name] == self._index
                self.counts[name] += 1
            if name == "fsync":
                self._note_flush(first, fails)
            if fails and name == "close":
                real(first)  # the kernel lets go of it whatever it answers
            if fails:
                raise OSError(self._error, os.strerror(self._error))
            return real(first, *arguments, **named)

        return call

    def _is_ours(self, name: str, first: Any, named: dict[str, Any]) -> bool:
        if name in OF_FILES:
            try:
                path = os.readlink(f"/proc/self/fd/{first}")
            except OSError:
                return False
        else:
            path = absolute(os.fspath(first))
            if "dir_fd" in named and named["dir_fd"] is not None:
                path = os.readlink(f"/proc/self/fd/{named['dir_fd']}") + "/" + path
        return f"{path}/".startswith(self._folder)

    def _note_flush(self, file: int, fails: bool) -> None:
        path = os.readlink(f"/proc/self/fd/{file}")
        # A folder stays what it is; every flush of it opens it anew.
        if os.path.isdir(path):
            return
        # The number of a file that was removed may be another one's soon, but not under its name.
        identity = path, os.fstat(file).st_ino
        if identity in self._doubtful:
            self.again.append(path)
        if fails:
            self._doubtful.add(identity)
