"""Writing files that are never seen half-written and are still there after a power cut.

Every file that another process reads is written under a temporary name, flushed, and renamed;
then its directory is flushed, because a rename is atomic for readers but not durable by itself
(ALICE, OSDI '14). The policy says how much is flushed:

    always  every file and every directory, each by its own fsync
    group   the same promise, but concurrent flushes of one directory share one fsync
    off     none: a crash of the machine may lose what was answered; a crash of a process may not

An error from fsync is never retried: the kernel may report it once and forget the pages.

A flush is nearly all waiting. One upload has several that need no order among themselves, so they
are handed to a few threads while the caller does one of them. The threads are few on purpose: with
many callers at once, each does its own waiting, and the processor has nothing to do for the handing
over.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from scai.errors import Busy, ConfigError, ScaiError, StorageFull
from scai.storage.rights import new_file

POLICIES = ("always", "group", "off")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
# Seconds after which a client may try again, where nobody knows better.
_RETRY_ROOM, _RETRY_DESCRIPTORS = 60, 10
# FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of linux/fs.h.
_GET_FLAGS, _SET_FLAGS, _TOP_DIRECTORY = 0x80086601, 0x40086602, 0x20000
# Threads that flush for others: what one upload or one verdict can use beside its own thread.
_HELPERS = 2
# With more callers than this, no helper threads are used: the disk is busy already.
_MAX_CALLERS = 1


class Disk:
    """Writes files under one policy. Safe to share between threads."""

    def __init__(self, policy: str = "group") -> None:
        if policy not in POLICIES:
            raise ConfigError(f"durability must be one of {', '.join(POLICIES)}, not {policy!r}")
        self.policy = policy
        self._group = GroupCommit()

    def publish(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Make or replace the file `path` with exactly `data`; nobody sees it half-written.

        With `durable` false, the file is whole for every reader but not flushed.
        """
        self.place(path, data, durable=durable)
        if durable:
            self.sync_directory(path.parent)

    def place(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """As `publish`, but the new name itself is durable only after `sync_directory`."""
        with self.drafts(path.parent, {path.name: data}, durable=durable) as drafts:
            drafts.place(path.name)

    @contextmanager
    def drafts(
        self, folder: Path, files: Mapping[str, bytes], *, durable: bool = True
    ) -> Iterator[Drafts]:
        """Write files of `folder` under temporary names and flush them, all at the same time.

        The block lets them appear one by one; those that it did not place are removed at its end.
        The names are durable only after `sync_directory`.
        """
        drafts = Drafts(folder, files)
        try:
            contents = {drafts.paths[name]: data for name, data in files.items()}
            self.write_all(contents, durable=durable)
            yield drafts
        finally:
            drafts.remove()

    def append(self, path: Path, data: bytes) -> None:
        """Append `data` to a file that only the caller writes to, and flush it.

        On OSError the file is cut back to what it was, as far as the disk allows.
        """
        file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            end = os.lseek(file, 0, os.SEEK_END)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
                if self.policy != "off":
                    os.fsync(file)
            except OSError:
                os.ftruncate(file, end)
                raise
        finally:
            os.close(file)

    def write(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Write a file that nobody reads yet, such as one in a directory that is renamed later."""
        self.write_all({os.fspath(path): data}, durable=durable)

    def write_all(
        self, files: Mapping[str, bytes], *, durable: bool = True, also: Sequence[int] = ()
    ) -> None:
        """Write several files as `write` does, and flush the open files `also` with them."""
        opened: list[int] = []
        try:
            for path, data in files.items():
                opened.append(_begin(path))
                view = memoryview(data)
                while view:
                    view = view[os.write(opened[-1], view) :]
            if durable and self.policy != "off":
                at_once(*(partial(os.fsync, file) for file in (*opened, *also)))
        finally:
            for file in opened:
                os.close(file)

    def together(self, *acts: Callable[[], None]) -> None:
        """Do all of these at the same time if anything is flushed, else one after the other."""
        if self.policy != "off":
            at_once(*acts)
            return
        for act in acts:
            act()

    def sync_directory(self, path: Path) -> None:
        """Return when every name that stood in the directory before the call is on the disk."""
        if self.policy == "always":
            fsync_folder(path)
        elif self.policy == "group":
            self._group.flush(path)


class Drafts:
    """Files of a folder that are written under temporary names and not yet in their places."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        mark = f"{os.getpid()}-{threading.get_ident()}"
        self._folder = folder
        self.paths = {name: os.path.join(folder, f".{name}.{mark}") for name in names}

    def place(self, name: str) -> None:
        """Let the file of that name appear, or replace the one that is there."""
        os.replace(self.paths[name], os.path.join(self._folder, name))
        del self.paths[name]

    def remove(self) -> None:
        """Remove those that were not placed."""
        for path in self.paths.values():
            with suppress(FileNotFoundError):
                os.unlink(path)


def _begin(path: str) -> int:
    """Open a new file; what a crash, or a stranger, left under its name is removed, not used."""
    try:
        return new_file(path)
    except FileExistsError:
        os.unlink(path)
        return new_file(path)


def spread(folder: Path) -> None:
    """Let ext4 put the directories in `folder` into different parts of the disk (`chattr +T`).

    It looks for the place of a new file beside its directory. Where many files were removed lately,
    that search costs more than writing the file. On other file systems this does nothing.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        flags = array.array("l", [0])
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
        flags[0] |= _TOP_DIRECTORY
        fcntl.ioctl(descriptor, _SET_FLAGS, flags)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def storage_error(error: OSError) -> ScaiError:
    """The error for clients in place of an error of the disk."""
    if error.errno in _NO_ROOM:
        return StorageFull(
            "the server has no room to keep the upload; try again later", retry_after=_RETRY_ROOM
        )
    if error.errno in _NO_DESCRIPTORS:
        return Busy("too much is open at once; try again soon", retry_after=_RETRY_DESCRIPTORS)
    return ScaiError("the server's disk is out of order; try again later")


def may_pass(error: OSError) -> bool:
    """Whether an error says that a disk is full or out of order, or that resources are used up.

    The same may succeed later, without a change of settings.
    """
    return error.errno in (*_NO_ROOM, *_NO_DESCRIPTORS, errno.EIO, errno.EROFS, errno.ENOMEM)


def is_full(error: OSError) -> bool:
    """Whether an error says that a disk has no room."""
    return error.errno in _NO_ROOM


def fsync_folder(path: Path) -> None:
    """Flush a directory: the names in it, not the files."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class GroupCommit:
    """Flushes of folders; whoever asks while one runs shares the next one with others who do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[str, _SharedFlush] = {}

    def callers(self, path: Path) -> int:
        """How many threads are in `flush` for that folder now."""
        with self._lock:
            shared = self._folders.get(os.fspath(path))
            return 0 if shared is None else shared.users

    def flush(self, path: Path) -> None:
        """Return after a flush that began after this call; raise what that flush raised."""
        key = os.fspath(path)
        with self._lock:
            shared = self._folders.get(key)
            if shared is None:
                shared = self._folders[key] = _SharedFlush(partial(fsync_folder, path))
            shared.users += 1
        try:
            shared.flush()
        finally:
            with self._lock:
                shared.users -= 1
                if shared.users == 0:
                    self._folders.pop(key, None)


class _SharedFlush:
    """The flushes of one folder, numbered in their order. `users` are in `flush` now."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.users = 0
        self._act = act
        self._turn = threading.Condition()
        self._finished = 0
        self._running = False
        self._errors: dict[int, OSError] = {}

    def flush(self) -> None:
        with self._turn:
            # One that runs already may have begun before the caller's names were there.
            number = self._finished + (2 if self._running else 1)
            while self._finished < number and self._running:
                self._turn.wait()
            if self._finished >= number:
                if number in self._errors:
                    raise self._errors[number]
                return
            self._running = True
        error: OSError | None = None
        try:
            self._act()
        except OSError as failure:
            error = failure
        with self._turn:
            self._running = False
            self._finished = number
            if error is not None:
                self._errors[number] = error
            self._turn.notify_all()
        if error is not None:
            raise error


def at_once(*acts: Callable[[], None]) -> None:
    """Do all of these at the same time, as far as helpers are free; return when all are done.

    Raises what the last of those that failed raised, after all have ended.
    """
    error: Exception | None = None
    helpers = _helpers
    with helpers.caller():
        ends = [*acts[:1], *map(helpers.begin, acts[1:])]
        for end in ends:
            try:
                end()
            except Exception as failure:
                error = failure
    if error is not None:
        raise error


class _Helpers:
    """The threads, started at the first use; they end with the process."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(_HELPERS)
        self._acts: queue.SimpleQueue[_HandedOver] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._callers = 0

    @contextmanager
    def caller(self) -> Iterator[None]:
        """Count this thread among those that wait for the disk."""
        with self._lock:
            self._callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1

    def begin(self, act: Callable[[], None]) -> Callable[[], None]:
        """Hand `act` to a helper and return what waits for its end; `act` itself without one."""
        if self._callers > _MAX_CALLERS or not self._free.acquire(blocking=False):
            return act
        with self._lock:
            if self._started < _HELPERS:
                self._started += 1
                threading.Thread(target=self._serve, name="flush", daemon=True).start()
        handed_over = _HandedOver(act)
        self._acts.put(handed_over)
        return handed_over.wait

    def _serve(self) -> None:
        while True:
            self._acts.get().run()
            self._free.release()


class _HandedOver:
    """An act that a helper does. A plain lock, which costs a fraction of a Future."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._error: Exception | None = None
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        """Do it, in the helper's thread."""
        try:
            self._act()
        except Exception as error:
            self._error = error
        finally:
            self._running.release()

    def wait(self) -> None:
        """Return when it is done, once; raise what it raised."""
        self._running.acquire()
        if self._error is not None:
            raise self._error


_helpers = _Helpers()


def _forget_helpers() -> None:
    global _helpers
    _helpers = _Helpers()


# Threads do not survive a fork.
os.register_at_fork(after_in_child=_forget_helpers)
