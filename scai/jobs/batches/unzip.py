"""ZIP files from strangers: looked through before anything is unpacked, and doubted while it is.

Names are only shown and never become paths. What an entry holds is counted as it comes out; what
the header says of it is a claim, and a wrong one is the end of that entry.
"""

from __future__ import annotations

import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from scai.errors import ArchiveTooLarge, BadArchive
from scai.jobs.batches import zip_list
from scai.jobs.batches.zip_list import Record

_STORED, _DEFLATED = 0, 8
# Bits of an entry's flags: encrypted, strongly encrypted, hidden names.
_ENCRYPTED = 0x2041

# The end of a name that is kept, in characters: a hostile list is nothing but names.
_LONGEST_NAME = 1000
_CHUNK = 64 * 1024
# What is smaller may be packed as tightly as it likes, in bytes.
_HARMLESS = 1_000_000
# The most a picture of more than that may grow when unpacked. Real ones grow tenfold at most.
RATIO = 100
# Folders, notes of operating systems: so many entries a picture may a ZIP have besides.
_ENTRIES_A_PICTURE, _ENTRIES_BESIDES = 4, 100

_QUIET_FOLDERS = ("__macosx", ".git", "@eadir")
_QUIET_FILES = (".ds_store", "thumbs.db", "desktop.ini")
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".jar", ".iso")


@dataclass(frozen=True)
class ZipEntry:
    """One file of a ZIP. `refusal` says in a sentence why it must not be unpacked, "" if it may."""

    name: str
    refusal: str = ""
    packed: int = 0
    size: int = 0
    crc: int = 0
    start: int = 0
    method: int = _STORED


class Unpacking:
    """A ZIP in the open, seekable `file`: at most `most` pictures, `limit` bytes in all.

    `entries` are its files, those that must be refused included; folders and what operating
    systems put beside files are left out. Raises BadArchive or ArchiveTooLarge, having unpacked
    nothing.
    """

    def __init__(self, file: BinaryIO, most: int, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._unpacked = 0
        self.entries: list[ZipEntry] = []
        spans: list[tuple[int, int]] = []
        place = zip_list.place_of(file)
        for record in zip_list.records(file, place):
            if len(spans) >= _ENTRIES_A_PICTURE * most + _ENTRIES_BESIDES:
                raise _too_many(most)
            spans.append((record.offset, record.start + record.packed))
            if not _quiet(record.name):
                self.entries.append(_entry(record))
            if len(self.entries) > most:
                raise _too_many(most)
        _check_apart(spans, place.start)
        if sum(entry.size for entry in self.entries if not entry.refusal) > limit:
            raise self._too_large()

    def read(self, entry: ZipEntry) -> Iterator[bytes]:
        """What the entry holds, piece by piece.

        Raises BadArchive when it is refused, damaged, or not what its header claims, and
        ArchiveTooLarge when the ZIP has given more bytes than it may. What came until then is void.
        """
        if entry.refusal:
            raise BadArchive(entry.refusal)
        size, crc = 0, 0
        for piece in self._pieces(entry):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            self._unpacked += len(piece)
            if size > _HARMLESS and size > RATIO * entry.packed:
                raise BadArchive(f"this file grows more than {RATIO} times when it is unpacked")
            if size > entry.size:
                raise BadArchive("this file is longer than the ZIP says")
            if self._unpacked > self._limit:
                raise self._too_large()
            yield piece
        if size != entry.size or crc != entry.crc:
            raise BadArchive("this file is damaged in the ZIP")

    def _pieces(self, entry: ZipEntry) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        at, end = entry.start, entry.start + entry.packed
        try:
            while at < end and not (inflate and inflate.eof):
                data = zip_list.read(self._file, at, min(_CHUNK, end - at))
                at += len(data)
                if inflate is None:
                    yield data
                    continue
                while data and not inflate.eof:
                    yield inflate.decompress(data, _CHUNK)
                    data = inflate.unconsumed_tail
            if inflate is not None:
                yield inflate.flush()
        except zlib.error as error:
            raise BadArchive("this file is damaged in the ZIP") from error

    def _too_large(self) -> ArchiveTooLarge:
        return ArchiveTooLarge(
            f"expected at most {self._limit / 1e6:g} MB of pictures in a ZIP, unpacked",
            limit=self._limit,
            setting="max_batch_mb",
        )


def _too_many(most: int) -> ArchiveTooLarge:
    return ArchiveTooLarge(
        f"expected at most {most} pictures in a ZIP", limit=most, setting="max_batch_photos"
    )


def _entry(record: Record) -> ZipEntry:
    refused = _refused(record.name, record.flags, record.method, record.mode)
    sizes = (record.packed, record.size, record.crc, record.start, record.method)
    return ZipEntry(record.name[-_LONGEST_NAME:], refused, *sizes)


def _check_apart(spans: list[tuple[int, int]], end: int) -> None:
    """Two entries over the same bytes are a bomb; honest programs write none."""
    for (_, before), (start, _) in pairwise(sorted([*spans, (end, end)])):
        if before > start:
            raise BadArchive("files of this ZIP lie over each other; no honest one does that")


def _quiet(name: str) -> bool:
    """Whether it is a folder or something that an operating system put there."""
    parts = re.split(r"[/\\]", name.lower())
    return (
        parts[-1] in ("", *_QUIET_FILES)
        or parts[-1].startswith("._")
        or any(part in _QUIET_FOLDERS for part in parts)
    )


def _refused(name: str, flags: int, method: int, mode: int) -> str:
    """Why an entry must not be unpacked, as a sentence; "" if it may be."""
    parts = re.split(r"[/\\]", name)
    if not parts[0] or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name):
        return "its name leads out of the ZIP"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device, not a file"
    if flags & _ENCRYPTED:
        return "it is encrypted; make the ZIP without a password"
    if name.lower().endswith(_ARCHIVES):
        return "an archive in an archive is not opened"
    if method not in (_STORED, _DEFLATED):
        return "it is packed in a way that few programs know; use the ordinary one (deflate)"
    return ""
