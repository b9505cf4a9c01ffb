"""Extract one named file from a .zip or .tar.gz, safely whatever the archive holds."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from scai.errors import ConfigError

# Bytes of a tar that may be unpacked and discarded to reach the member.
MAX_TAR_BYTES = 4_000_000_000
_CHUNK = 1 << 16
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression method that Python does not support
)


def extract(archive: Path, member: str, target: Path, limit: int) -> None:
    """Write `member` to `target`. Raises ConfigError for anything but a plain file of that name.

    `limit`: maximum size in bytes. Other members are never written, so their names and types do
    no harm.
    """
    check_name(member)
    try:
        if zipfile.is_zipfile(archive):
            _from_zip(archive, member, target, limit)
        else:
            _from_tar(archive, member, target, limit)
    except _UNREADABLE as error:
        raise ConfigError(f"{archive.name}: expected a .zip or .tar.gz, got: {error}") from error


def check_name(member: str) -> None:
    """Raise ConfigError for a name outside the archive's folder."""
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or not path.parts:
        raise ConfigError(f"expected the relative name of a file in an archive, got {member!r}")


def _from_zip(archive: Path, member: str, target: Path, limit: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = [info for info in opened.infolist() if info.filename == member]
        _once(archive, member, len(members))
        (info,) = members
        # Archives made on Windows have no Unix mode; 0 is a plain file.
        mode = info.external_attr >> 16
        plain = not info.is_dir() and (stat.S_IFMT(mode) in (0, stat.S_IFREG))
        _plain(archive, member, plain and not info.flag_bits & 1)
        with opened.open(info) as source:
            _copy(source, target, limit, archive, member)


def _from_tar(archive: Path, member: str, target: Path, limit: int) -> None:
    count = skipped = 0
    with tarfile.open(archive, "r|gz") as opened:
        for info in opened:
            skipped += info.size
            if skipped > MAX_TAR_BYTES:
                raise ConfigError(
                    f"{archive.name}: expected at most {MAX_TAR_BYTES} bytes, got more"
                )
            if info.name.removeprefix("./") != member:
                continue
            count += 1
            _once(archive, member, count)
            _plain(archive, member, info.isreg() and not info.issparse())
            source = opened.extractfile(info)
            assert source is not None
            _copy(source, target, limit, archive, member)
    _once(archive, member, count)


def _once(archive: Path, member: str, count: int) -> None:
    if count != 1:
        raise ConfigError(f"{archive.name}: expected one file {member}, got {count or 'none'}")


def _plain(archive: Path, member: str, plain: bool) -> None:
    if not plain:
        raise ConfigError(f"{archive.name}: expected {member} to be a plain file, got another kind")


def _copy(source: IO[bytes], target: Path, limit: int, archive: Path, member: str) -> None:
    """Copy and count the bytes: the size that an archive states may be false."""
    left = limit
    with target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ConfigError(f"{archive.name}: expected {member} of {limit} bytes, got more")
            file.write(chunk)
