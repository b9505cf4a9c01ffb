"""How a file comes to be: whole, at once, and still there after a power cut.

Every file that another process reads is written under a temporary name, flushed, and renamed;
then its directory is flushed, because a rename is atomic for readers but not durable by itself
(ALICE, OSDI '14). The policy says how much flushing is done:

    always  every file and every directory, each by its own fsync
    group   the same promise, but concurrent flushes of one directory share one fsync
    off     none: a crash of the machine may lose what was answered; a crash of a process may not

An error from fsync is never retried: the kernel may report it once and forget the pages.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from scai.errors import ConfigError, ScaiError, StorageFull

POLICIES = ("always", "group", "off")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


class Disk:
    """Writes files under one policy. Safe to share between threads."""

    def __init__(self, policy: str = "group") -> None:
        if policy not in POLICIES:
            raise ConfigError(f"durability must be one of {', '.join(POLICIES)}, not {policy!r}")
        self.policy = policy
        self._shared: dict[str, _SharedSync] = {}
        self._lock = threading.Lock()

    def publish(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Let `path` appear, or be replaced, with exactly `data`; never seen half-written.

        With `durable` false, the file is whole for every reader but not flushed.
        """
        self.place(path, data, durable=durable)
        if durable:
            self.sync_directory(path.parent)

    def place(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """As `publish`, but the new name itself is durable only after `sync_directory`."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            self.write(temporary, data, durable=durable)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def write(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Write a file that nobody looks for yet, such as one in a directory not yet renamed."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o640)
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            if durable and self.policy != "off":
                os.fsync(file.fileno())

    def sync_directory(self, path: Path) -> None:
        """Return when every name that stood in the directory before the call is on the disk."""
        if self.policy == "off":
            return
        if self.policy == "always":
            _fsync_directory(path)
            return
        key = os.fspath(path)
        with self._lock:
            shared = self._shared.setdefault(key, _SharedSync(lambda: _fsync_directory(path)))
            shared.users += 1
        try:
            shared.sync()
        finally:
            with self._lock:
                shared.users -= 1
                if shared.users == 0:
                    self._shared.pop(key, None)


class _SharedSync:
    """One flush that serves all who asked before it began (group commit)."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self.users = 0
        self._flush = flush
        self._turn = threading.Condition()
        self._started = 0
        self._finished = 0
        self._running = False
        self._failed: dict[int, OSError] = {}

    def sync(self) -> None:
        """Return after a flush that began after this call; raise what that flush raised."""
        with self._turn:
            wanted = self._started + 1
            while self._finished < wanted and self._running:
                self._turn.wait()
            if self._finished >= wanted:
                if wanted in self._failed:
                    raise self._failed[wanted]
                return
            self._running = True
            self._started = mine = wanted
        failure: OSError | None = None
        try:
            self._flush()
        except OSError as error:
            failure = error
        with self._turn:
            self._running = False
            self._finished = mine
            if failure is not None:
                self._failed[mine] = failure
            self._turn.notify_all()
        if failure is not None:
            raise failure


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(error: OSError) -> ScaiError:
    """The error a caller should see when the disk refused."""
    if error.errno in _NO_ROOM:
        return StorageFull("the server has no room to keep the upload; try again later")
    return ScaiError("the server's disk is out of order; try again later")
