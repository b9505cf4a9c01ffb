"""Move files in and out of a model's folder: whole or not at all, and never through links."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from scai.errors import ConfigError
from scai.storage.disk import Disk
from scai.storage.locks import flock

CHUNK = 1 << 20


class Change:
    """Several steps that succeed or fail together; any exception undoes all of them."""

    def __init__(self) -> None:
        self._undo = ExitStack()
        self._spare: list[Path] = []

    def on_failure(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call this if the change fails; the last one registered is called first."""
        self._undo.callback(call, *arguments)

    def on_success(self, path: Path) -> None:
        """Delete this path when the change has succeeded."""
        self._spare.append(path)

    def __enter__(self) -> Change:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._undo.close()
        else:
            self._undo.pop_all()
            delete(self._spare)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def inside(folder: Path, path: Path) -> bool:
    """Tell whether `path` lies in `folder` itself, without `..` or links on the way."""
    folder, path = Path(os.path.abspath(folder)), Path(os.path.abspath(path))
    if not path.is_relative_to(folder) or path == folder:
        return False
    return path.parent.resolve() == folder.resolve() / path.parent.relative_to(folder)


def bring(
    source: Path,
    folder: Path,
    change: Change,
    used: Iterable[Path],
    *,
    replace: bool,
    name: str = "",
) -> Path:
    """Copy a file or folder into `folder`, as a part of `change`; returns the new path.

    A source that lies there already stays in place. `used`: real paths that other models use;
    those are never replaced. Raises ConfigError.
    """
    if not source.exists():
        raise ConfigError(f"{source}: no such file")
    if inside(folder, source) and name in ("", source.name):
        return folder / os.path.relpath(os.path.abspath(source), os.path.abspath(folder))
    target = folder / (name or source.name)
    if os.path.lexists(target):
        if not replace:
            raise ConfigError(f"{target}: expected no such file, got one; --force replaces it")
        if any(path.is_relative_to(target.resolve()) for path in used):
            raise ConfigError(
                f"{target}: expected a file of this model alone, got one that other models use"
            )
    _make_folder(folder, change)
    part = folder / f".{target.name}.{uuid.uuid4().hex}"
    with ExitStack() as clean:
        clean.callback(delete, [part])
        _copy(source, part)
        _set_aside(target, change)
        change.on_failure(delete, [target])
        os.replace(part, target)
    return target


def delete(paths: Iterable[Path]) -> None:
    """Remove files, links (not their targets) and folders, where they exist."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _copy(source: Path, part: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, part)
        return
    with source.open("rb") as old, part.open("xb") as new:
        shutil.copyfileobj(old, new, CHUNK)
        new.flush()
        os.fsync(new.fileno())


def _make_folder(folder: Path, change: Change) -> None:
    """Make the folder; it is removed again if the change fails."""
    missing = [path for path in (folder.parent, folder) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        change.on_failure(path.rmdir)


def _set_aside(target: Path, change: Change) -> None:
    """Rename `target` until the change has succeeded or failed."""
    if not os.path.lexists(target):
        return
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.old")
    os.replace(target, aside)
    change.on_failure(os.replace, aside, target)
    change.on_success(aside)


def read_ini(config: Path) -> bytes:
    """Read an ini file. Raises ConfigError where there is none."""
    try:
        return config.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{config}: no such configuration file") from None


def rewrite(config: Path, data: bytes) -> None:
    """Replace the file atomically, keeping its mode and owner; a link is followed."""
    disk, real = Disk("always"), config.resolve()
    if real.read_bytes() == data:
        return
    part = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        disk.write(part, data)
        status = real.stat()
        os.chmod(part, status.st_mode)
        if os.geteuid() == 0:
            os.chown(part, status.st_uid, status.st_gid)
        os.replace(part, real)
    finally:
        part.unlink(missing_ok=True)
    disk.sync_directory(real.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder; others wait. The kernel unlocks when a process dies."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flock(descriptor, math.inf)
        yield
    finally:
        os.close(descriptor)
