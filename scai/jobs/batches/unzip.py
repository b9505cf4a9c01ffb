"""Unpacking ZIP files from strangers: checked before anything is unpacked, and while it is.

Names are for people and never become paths. The bytes of an entry are counted as they come out;
what its header says of them is not trusted, and an entry whose header is wrong is refused.
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

# Characters at the end of a name that stay in memory: a hostile list is nothing but names.
_MAX_NAME = 1000
_CHUNK = 64 * 1024
# Bytes below which an entry may be packed as tightly as it likes.
_HARMLESS = 1_000_000
# How many times its packed size a larger picture may have. Real ones have ten times at most.
RATIO = 100
# Entries for each picture, and besides, that a ZIP may have: folders, notes of operating systems.
_ENTRIES_PER_PICTURE, _ENTRIES_BESIDES = 4, 100

_IGNORED_FOLDERS = ("__macosx", ".git", "@eadir")
_IGNORED_FILES = (".ds_store", "thumbs.db", "desktop.ini")
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
    """A ZIP in the open, seekable `file`: at most `max_pictures`, and `limit` bytes in all.

    `entries` are its files, also those to be refused, but no folders and no files that operating
    systems add. Raises BadArchive or ArchiveTooLarge before anything is unpacked.
    """

    def __init__(self, file: BinaryIO, max_pictures: int, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._unpacked = 0
        self.entries: list[ZipEntry] = []
        spans: list[tuple[int, int]] = []
        place = zip_list.place_of(file)
        for record in zip_list.records(file, place):
            if len(spans) >= _ENTRIES_PER_PICTURE * max_pictures + _ENTRIES_BESIDES:
                raise _too_many(max_pictures)
            spans.append((record.offset, record.start + record.packed))
            if not _is_ignored(record.name):
                self.entries.append(_entry(record))
            if len(self.entries) > max_pictures:
                raise _too_many(max_pictures)
        _check_apart(spans, place.start)
        if sum(entry.size for entry in self.entries if not entry.refusal) > limit:
            raise self._too_large()

    def read(self, entry: ZipEntry) -> Iterator[bytes]:
        """The bytes of the entry, piece by piece.

        Raises BadArchive when it is refused, damaged, or not as its header says, and
        ArchiveTooLarge above the limit of the whole ZIP. The caller drops the pieces before that.
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


def _too_many(limit: int) -> ArchiveTooLarge:
    return ArchiveTooLarge(
        f"expected at most {limit} pictures in a ZIP", limit=limit, setting="max_batch_photos"
    )


def _entry(record: Record) -> ZipEntry:
    refusal = _refusal(record.name, record.flags, record.method, record.mode)
    sizes = (record.packed, record.size, record.crc, record.start, record.method)
    return ZipEntry(record.name[-_MAX_NAME:], refusal, *sizes)


def _check_apart(spans: list[tuple[int, int]], end: int) -> None:
    """Refuse entries that share bytes: that is a bomb, and no honest program writes it."""
    for (_, before), (start, _) in pairwise(sorted([*spans, (end, end)])):
        if before > start:
            raise BadArchive("files of this ZIP lie over each other; no honest one does that")


def _is_ignored(name: str) -> bool:
    """Whether an entry is a folder or a file that an operating system added."""
    parts = re.split(r"[/\\]", name.lower())
    return (
        parts[-1] in ("", *_IGNORED_FILES)
        or parts[-1].startswith("._")
        or any(part in _IGNORED_FOLDERS for part in parts)
    )


def _refusal(name: str, flags: int, method: int, mode: int) -> str:
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
