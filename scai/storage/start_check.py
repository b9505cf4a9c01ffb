"""What a program makes sure of before it starts: folders on a file system that it can rely on.

Sessions appear and jobs are claimed by rename; sessions, batches and owners are locked by flock.
Both are missing or pretended on some network file systems, and then jobs would be lost or run
twice without an error. Sessions and queues are one installation: on two file systems, one could be
full, old or missing while the other is not.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scai.errors import ConfigError
from scai.storage import rights
from scai.storage.disk import may_pass


@dataclass(frozen=True)
class Calls:
    """The calls that are tried."""

    rename: Callable[[str, str], None] = os.rename
    flock: Callable[[int, int], None] = fcntl.flock
    device: Callable[[str], int] = lambda path: os.stat(path).st_dev


def check_folders(sessions: Path, pools: Mapping[str, Path], calls: Calls = Calls()) -> None:
    """Make sure of the folder of the sessions and of those of the queues, by the setting of each.

    Raises ConfigError with one sentence. A disk that is full or out of order for now is no wrong
    configuration: what it cannot answer is passed over.
    """
    folders = {"sessionpath": sessions, **pools}
    for setting, folder in folders.items():
        try:
            rights.make_folders(folder)
            _check(setting, folder, calls)
        except OSError as error:
            if may_pass(error):
                continue
            raise ConfigError(
                f"{setting}: expected a folder to write into, got {folder}: "
                f"{error.strerror or error}"
            ) from error
    _check_devices(folders, calls)


def _check_devices(folders: Mapping[str, Path], calls: Calls) -> None:
    devices = {}
    for setting, folder in folders.items():
        with suppress(OSError):  # of a disk that is out of order; told above otherwise
            devices[setting] = calls.device(os.fspath(folder))
    first = next(iter(devices), "")
    for setting, device in devices.items():
        if device != devices[first]:
            raise ConfigError(
                f"expected all folders on one file system, got {first} {folders[first]} and "
                f"{setting} {folders[setting]} on two"
            )


def _check(setting: str, folder: Path, calls: Calls) -> None:
    _check_lock(setting, folder, os.O_RDONLY | os.O_DIRECTORY, calls)
    # No listing takes a hidden name for a job, and a check removes it if we die here.
    name = f"{folder}/.ready-{os.getpid()}-{secrets.token_hex(4)}"
    other = f"{name}.renamed"
    try:
        os.close(rights.new_file(name))
        os.close(rights.new_file(other))
        _check_lock(setting, Path(name), os.O_RDWR, calls)
        calls.rename(name, other)
        if os.path.lexists(name) or not os.path.lexists(other):
            raise ConfigError(f"{setting}: expected that rename works in {folder}, and it does not")
    finally:
        for path in (name, other):
            with suppress(OSError):
                os.unlink(path)


def _check_lock(setting: str, path: Path, flags: int, calls: Calls) -> None:
    """Lock what lies at `path`, and see that nobody else can."""
    refusal = ConfigError(f"{setting}: expected that flock works on {path}, and it does not")
    first = os.open(path, flags | os.O_CLOEXEC)
    try:
        second = os.open(path, flags | os.O_CLOEXEC)
        try:
            # Shared: at this moment somebody else may hold it, in whatever way.
            calls.flock(first, fcntl.LOCK_SH | fcntl.LOCK_NB)
            try:
                calls.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            raise refusal
        finally:
            os.close(second)
    except BlockingIOError:
        return  # somebody holds it, so it works
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise refusal from error
        raise
    finally:
        os.close(first)
