"""The list of a ZIP's entries, which stands at its end, read one by one without trusting it.

A list of millions costs no memory. Format: APPNOTE.TXT 6.3.
"""

from __future__ import annotations

import errno
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from scai.errors import BadArchive

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
# Bytes of the longest comment behind the end of the list.
_MAX_COMMENT = 65535
_IN_EXTRA, _NO_16, _NO_32 = 1, 0xFFFF, 0xFFFFFFFF
# Bit of an entry's flags: its name is UTF-8.
_UTF8 = 0x0800
_NO_ZIP = "this is not a ZIP file, or it is damaged"


@dataclass(frozen=True)
class Record:
    """One entry as the list and its own header describe it; places and sizes in bytes.

    `flags` has the bits of both; `mode` is that of a file on Unix, 0 if unknown. The entry begins
    at `offset`, its packed bytes at `start`.
    """

    name: str
    flags: int
    method: int
    mode: int
    crc: int
    packed: int
    size: int
    offset: int
    start: int


@dataclass(frozen=True)
class ListPlace:
    """Where the list of entries stands in the file, in bytes."""

    start: int
    size: int


def records(file: BinaryIO, place: ListPlace) -> Iterator[Record]:
    """Each entry of the list. Raises BadArchive."""
    for raw, name, extra in _raw_records(file, place):
        made, _, flags, method, _, _, crc, packed, size, *_, outside, offset = raw
        size, packed, offset = with_extra(extra, size, packed, offset)
        head = read(file, offset, _LOCAL.size)
        signature, _, inside_flags, *_, name_size, extra_size = _LOCAL.unpack(head)
        if signature != b"PK\x03\x04":
            raise BadArchive(_NO_ZIP)
        start = offset + _LOCAL.size + name_size + extra_size
        mode = outside >> 16 if made >> 8 == 3 or stat.S_ISLNK(outside >> 16) else 0
        text, bits = _decode(name, flags), flags | inside_flags
        yield Record(text, bits, method, mode, crc, packed, size, offset, start)


def place_of(file: BinaryIO) -> ListPlace:
    """Where the list is, by the record at the end of the file. Raises BadArchive."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _END.size - _MAX_COMMENT)
    tail = read(file, tail_start, length - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            record = _END.unpack_from(tail, at)
            if at + _END.size + record[7] == len(tail):
                return _check_place(file, record, tail_start + at)
        at = tail.rfind(b"PK\x05\x06", 0, at)
    raise BadArchive(_NO_ZIP)


def _check_place(file: BinaryIO, record: tuple[int, ...], end: int) -> ListPlace:
    _, disk, first_disk, _, count, size, start, _ = record
    if disk not in (0, _NO_16) or first_disk not in (0, _NO_16):
        raise BadArchive("a ZIP in several parts cannot be read; send it in one")
    if _NO_16 in (count, disk) or _NO_32 in (size, start):
        size, start, end = _place64(file, size, start, end)
    if start + size > end:
        raise BadArchive(_NO_ZIP)
    return ListPlace(start, size)


def _place64(file: BinaryIO, size: int, start: int, end: int) -> tuple[int, int, int]:
    """Size and start of the list and where it must end, in a ZIP of the large form."""
    at = end - _END64_PLACE.size
    head = read(file, at, _END64_PLACE.size) if at >= 0 else b""
    if not head.startswith(b"PK\x06\x07"):
        return size, start, end  # a ZIP of the small form that is full
    _, _, place, _ = _END64_PLACE.unpack(head)
    record = _END64.unpack(read(file, place, _END64.size))
    if record[0] != b"PK\x06\x06":
        raise BadArchive(_NO_ZIP)
    return record[8], record[9], min(place, end)


def _raw_records(
    file: BinaryIO, place: ListPlace
) -> Iterator[tuple[tuple[int, ...], bytes, bytes]]:
    """The fixed part, the name and the extra part of each record of the list."""
    at, end = place.start, place.start + place.size
    while at < end:
        raw = _ENTRY.unpack(read(file, at, _ENTRY.size))
        if raw[0] != b"PK\x01\x02":
            raise BadArchive(_NO_ZIP)
        name_size, extra_size, comment_size = raw[10:13]
        at += _ENTRY.size
        rest = read(file, at, name_size + extra_size)
        at += name_size + extra_size + comment_size
        if at > end:
            raise BadArchive(_NO_ZIP)
        yield raw[1:], rest[:name_size], rest[name_size:]


def with_extra(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The three numbers, of which those too large for their fields are in the extra part."""
    numbers: Iterator[int] = iter(())
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if kind == _IN_EXTRA:
            data = extra[at : at + length]
            numbers = iter(struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8]))
            break
        at += length
    try:
        size, packed, offset = [
            next(numbers) if value == _NO_32 else value for value in (size, packed, offset)
        ]
    except (StopIteration, RuntimeError) as error:
        raise BadArchive(_NO_ZIP) from error
    return size, packed, offset


def _decode(name: bytes, flags: int) -> str:
    try:
        return name.decode("utf-8")  # many programs write it without saying so
    except UnicodeDecodeError:
        return name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")


def read(file: BinaryIO, start: int, size: int) -> bytes:
    """Exactly these bytes; raises BadArchive where the file does not have them."""
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
