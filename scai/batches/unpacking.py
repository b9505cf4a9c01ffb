"""ZIP files from strangers: looked through before anything is unpacked, and doubted while it is.

The list at the end of the file is read entry by entry, so that a list of millions costs no memory.
Names are only shown and never become paths. What an entry holds is counted as it comes out; what
the header says of it is a claim, and a wrong one is the end of that entry. Format: APPNOTE.TXT 6.3.
"""

from __future__ import annotations

import errno
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from scai.errors import ArchiveTooLarge, BadArchive

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
# The longest comment behind the end of the list.
_LONGEST_COMMENT = 65535
_IN_EXTRA, _NO_16, _NO_32 = 1, 0xFFFF, 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
# Bits of an entry's flags: encrypted, strongly encrypted, hidden names; and "the name is UTF-8".
_ENCRYPTED, _UTF8 = 0x2041, 0x0800

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
_NO_ZIP = "this is not a ZIP file, or it is damaged"


@dataclass(frozen=True)
class Entry:
    """One file of a ZIP. `refused` says in a sentence why it must not be unpacked, if so."""

    name: str
    refused: str = ""
    packed: int = 0
    size: int = 0
    crc: int = 0
    start: int = 0
    method: int = _STORED


@dataclass(frozen=True)
class _Place:
    """Where the list of entries stands in the file, in bytes."""

    start: int
    size: int


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
        self.entries: list[Entry] = []
        spans: list[tuple[int, int]] = []
        place = _place(file)
        for raw, name, extra in _listed(file, place):
            if len(spans) >= _ENTRIES_A_PICTURE * most + _ENTRIES_BESIDES:
                raise _too_many(most)
            entry, span = self._entry(raw, name, extra)
            spans.append(span)
            if not _quiet(entry.name):
                self.entries.append(entry)
            if len(self.entries) > most:
                raise _too_many(most)
        _check_apart(spans, place.start)
        if sum(entry.size for entry in self.entries if not entry.refused) > limit:
            raise self._too_large()

    def _entry(
        self, raw: tuple[int, ...], name: bytes, extra: bytes
    ) -> tuple[Entry, tuple[int, int]]:
        """The entry that a record of the list tells of, and the bytes that it takes."""
        made, _, flags, method, _, _, crc, packed, size, *_, outside, offset = raw
        size, packed, offset = _with_extra(extra, size, packed, offset)
        head = _read(self._file, offset, _LOCAL.size)
        signature, _, inside_flags, *_, name_size, extra_size = _LOCAL.unpack(head)
        if signature != b"PK\x03\x04":
            raise BadArchive(_NO_ZIP)
        start = offset + _LOCAL.size + name_size + extra_size
        shown = _decoded(name, flags)
        mode = outside >> 16 if made >> 8 == 3 or stat.S_ISLNK(outside >> 16) else 0
        refused = _refused(shown, flags | inside_flags, method, mode)
        return Entry(shown, refused, packed, size, crc, start, method), (offset, start + packed)

    def read(self, entry: Entry) -> Iterator[bytes]:
        """What the entry holds, piece by piece.

        Raises BadArchive when it is refused, damaged, or not what its header claims, and
        ArchiveTooLarge when the ZIP has given more bytes than it may. What came until then is void.
        """
        if entry.refused:
            raise BadArchive(entry.refused)
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

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        at, end = entry.start, entry.start + entry.packed
        try:
            while at < end and not (inflate and inflate.eof):
                data = _read(self._file, at, min(_CHUNK, end - at))
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


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    """Exactly these bytes; raises BadArchive when the file has them not."""
    try:
        file.seek(start)
        data = file.read(size)
    except (OverflowError, ValueError) as error:
        raise BadArchive(_NO_ZIP) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place that no file has
            raise BadArchive(_NO_ZIP) from error
        raise
    if len(data) != size:
        raise BadArchive(_NO_ZIP)
    return data


def _place(file: BinaryIO) -> _Place:
    """Where the list is, by the record at the end of the file."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _END.size - _LONGEST_COMMENT)
    tail = _read(file, tail_start, length - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            record = _END.unpack_from(tail, at)
            if at + _END.size + record[7] == len(tail):
                return _checked(file, record, tail_start + at)
        at = tail.rfind(b"PK\x05\x06", 0, at)
    raise BadArchive(_NO_ZIP)


def _checked(file: BinaryIO, record: tuple[int, ...], end: int) -> _Place:
    _, disk, first_disk, _, count, size, start, _ = record
    if disk not in (0, _NO_16) or first_disk not in (0, _NO_16):
        raise BadArchive("a ZIP in several parts cannot be read; send it in one")
    if _NO_16 in (count, disk) or _NO_32 in (size, start):
        size, start, end = _place64(file, size, start, end)
    if start + size > end:
        raise BadArchive(_NO_ZIP)
    return _Place(start, size)


def _place64(file: BinaryIO, size: int, start: int, end: int) -> tuple[int, int, int]:
    """Size and start of the list and where it must end, in a ZIP of the large form."""
    at = end - _END64_PLACE.size
    head = _read(file, at, _END64_PLACE.size) if at >= 0 else b""
    if not head.startswith(b"PK\x06\x07"):
        return size, start, end  # a ZIP of the small form that is full
    _, _, place, _ = _END64_PLACE.unpack(head)
    record = _END64.unpack(_read(file, place, _END64.size))
    if record[0] != b"PK\x06\x06":
        raise BadArchive(_NO_ZIP)
    return record[8], record[9], min(place, end)


def _listed(file: BinaryIO, place: _Place) -> Iterator[tuple[tuple[int, ...], bytes, bytes]]:
    """The fixed part, the name and the extra part of each record of the list."""
    at, end = place.start, place.start + place.size
    while at < end:
        raw = _ENTRY.unpack(_read(file, at, _ENTRY.size))
        if raw[0] != b"PK\x01\x02":
            raise BadArchive(_NO_ZIP)
        name_size, extra_size, comment_size = raw[10:13]
        at += _ENTRY.size
        rest = _read(file, at, name_size + extra_size)
        at += name_size + extra_size + comment_size
        if at > end:
            raise BadArchive(_NO_ZIP)
        yield raw[1:], rest[:name_size], rest[name_size:]


def _with_extra(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Those of the three that did not fit into their fields stand in the extra part."""
    numbers = iter(())
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _IN_EXTRA:
            data = extra[4 : 4 + length]
            numbers = iter(struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8]))
            break
        extra = extra[4 + length :]
    try:
        size, packed, offset = [
            next(numbers) if value == _NO_32 else value for value in (size, packed, offset)
        ]
    except (StopIteration, RuntimeError) as error:
        raise BadArchive(_NO_ZIP) from error
    return size, packed, offset


def _check_apart(spans: list[tuple[int, int]], end: int) -> None:
    """Two entries over the same bytes are a bomb; honest programs write none."""
    for (_, before), (start, _) in pairwise(sorted([*spans, (end, end)])):
        if before > start:
            raise BadArchive("files of this ZIP lie over each other; no honest one does that")


def _decoded(name: bytes, flags: int) -> str:
    try:
        return name.decode("utf-8")  # many programs write it without saying so
    except UnicodeDecodeError:
        return name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")


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
