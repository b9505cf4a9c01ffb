"""Writing files that are never seen half-written and are still there after a power cut.

Every file that another process reads is written under a temporary name, flushed, and renamed;
then its directory is flushed, because a rename is atomic for readers but not durable by itself
(ALICE, OSDI '14). The policy says how much is flushed:

    always  every file and every directory, each by its own fsync
    group   the same promise, but concurrent flushes of one directory share one fsync
    off     none: a crash of the machine may lose what was answered; a crash of a process may not

An error from fsync is never retried: the kernel may report it once and forget the pages.
"""

from __future__ import annotations

import array
import errno
import fcntl
import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from scai.errors import Busy, ConfigError, ScaiError, StorageFull
from scai.storage.flushes import GroupCommit, at_once, fsync_folder
from scai.storage.rights import new_file

POLICIES = ("always", "group", "off")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
# Seconds after which a client may try again, where nobody knows better.
_RETRY_ROOM, _RETRY_DESCRIPTORS = 60, 10
# FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of linux/fs.h.
_GET_FLAGS, _SET_FLAGS, _TOP_DIRECTORY = 0x80086601, 0x40086602, 0x20000
_tries = itertools.count(1)


class Disk:
    """Writes files under one policy. Safe to share between threads.

    `failures` counts the writes, flushes, closes and renames that the disk refused. What one of
    them was about is given up: it is written anew, in another file, or not at all.
    """

    def __init__(self, policy: str = "group") -> None:
        if policy not in POLICIES:
            raise ConfigError(f"durability must be one of {', '.join(POLICIES)}, not {policy!r}")
        self.policy = policy
        self.failures = 0
        self._group = GroupCommit()
        self._counting = threading.Lock()

    def count(self, error: OSError) -> None:
        """Count an error if it is the disk's, and not that a file is there, or missing."""
        if may_pass(error):
            with self._counting:
                self.failures += 1

    def rename(self, old: str | Path, new: str | Path) -> None:
        """Rename a file or folder, or put a file in the place of another. Raises OSError."""
        try:
            os.replace(old, new)
        except OSError as error:
            self.count(error)
            raise

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

    def publish_in_order(
        self, folder: Path, files: Mapping[str, bytes], appeared: Callable[[], None]
    ) -> None:
        """Publish files of a folder, the last one when the others are on the disk.

        `appeared` is called when all can be read, before the last one is on the disk. If this fails
        with OSError after that, nobody knows what is on the disk, and all is to be written anew.
        """
        *others, last = files
        with self.drafts(folder, files) as drafts:
            for name in others:
                drafts.place(name)
            self.sync_directory(folder)
            drafts.place(last)
            appeared()
            self.sync_directory(folder)

    @contextmanager
    def drafts(
        self, folder: Path, files: Mapping[str, bytes], *, durable: bool = True
    ) -> Iterator[Drafts]:
        """Write files of `folder` under temporary names and flush them, all at the same time.

        The block lets them appear one by one; those that it did not place are removed at its end.
        The names are durable only after `sync_directory`.
        """
        drafts = Drafts(folder, files, self.rename)
        try:
            contents = {drafts.paths[name]: data for name, data in files.items()}
            self.write_all(contents, durable=durable)
            yield drafts
        finally:
            drafts.remove()

    def append(self, path: Path, data: bytes) -> None:
        """Append `data` to a file that only the caller writes to, and flush it.

        On OSError the file is cut back to what it was, as far as the disk allows. One that could
        not be flushed is replaced by another with the same content: what the kernel still holds of
        it cannot be trusted, and no later flush would tell.
        """
        end, flushing = 0, False
        try:
            with _opened([os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)]) as [file]:
                end = os.lseek(file, 0, os.SEEK_END)
                try:
                    _write(file, data)
                    flushing = True
                    if self.policy != "off":
                        os.fsync(file)
                except OSError:
                    os.ftruncate(file, end)
                    raise
        except OSError as error:
            self.count(error)
            if flushing:
                with suppress(OSError):
                    self.publish(path, path.read_bytes()[:end])
            raise

    def write(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Write a file that nobody reads yet, such as one in a directory that is renamed later."""
        self.write_all({os.fspath(path): data}, durable=durable)

    def write_all(
        self, files: Mapping[str, bytes], *, durable: bool = True, also: Sequence[int] = ()
    ) -> None:
        """Write several files as `write` does, and flush the open files `also` with them."""
        try:
            with _opened([]) as opened:
                for path, data in files.items():
                    opened.append(_begin(path))
                    _write(opened[-1], data)
                if durable and self.policy != "off":
                    at_once(*(partial(os.fsync, file) for file in (*opened, *also)))
        except OSError as error:
            self.count(error)
            raise

    def together(self, *acts: Callable[[], None]) -> None:
        """Do all of these at the same time if anything is flushed, else one after the other."""
        if self.policy != "off":
            at_once(*acts)
            return
        for act in acts:
            act()

    def sync_directory(self, path: Path) -> None:
        """Return when every name that stood in the directory before the call is on the disk."""
        try:
            if self.policy == "always":
                fsync_folder(path)
            elif self.policy == "group":
                self._group.flush(path)
        except OSError as error:
            self.count(error)
            raise


# The names of drafts: hidden, and with numbers of process, thread and try at their end.
DRAFT = re.compile(r"\..+\.[0-9]+(?:-[0-9]+)+")


class Drafts:
    """Files of a folder that are written under temporary names and not yet in their places.

    Each try has names of its own: a file that a disk refused to flush is never used again.
    """

    def __init__(
        self, folder: Path, names: Iterable[str], rename: Callable[[str, str], None]
    ) -> None:
        mark = f"{os.getpid()}-{threading.get_ident()}-{next(_tries)}"
        self._folder = folder
        self._rename = rename
        self.paths = {name: os.path.join(folder, f".{name}.{mark}") for name in names}

    def place(self, name: str) -> None:
        """Let the file of that name appear, or replace the one that is there."""
        self._rename(self.paths[name], os.path.join(self._folder, name))
        del self.paths[name]

    def remove(self) -> None:
        """Remove those that were not placed, as far as the disk allows."""
        for path in self.paths.values():
            with suppress(OSError):
                os.unlink(path)


def _begin(path: str) -> int:
    """Open a new file; what a crash, or a stranger, left under its name is removed, not used."""
    try:
        return new_file(path)
    except FileExistsError:
        os.unlink(path)
        return new_file(path)


@contextmanager
def _opened(files: list[int]) -> Iterator[list[int]]:
    """Close all files that are in the list at the end of the block.

    Raises the error of the block, or else the first one of a close: it may be the only sign that
    something was not written.
    """
    errors: list[OSError] = []
    try:
        yield files
    finally:
        for file in files:
            try:
                os.close(file)
            except OSError as error:
                errors.append(error)
    if errors:
        raise errors[0]


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


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
