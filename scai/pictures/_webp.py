"""Read a WebP chunk by chunk (RFC 9649): its canvas, the orientation, the number of frames."""

from __future__ import annotations

from scai.pictures import _exif
from scai.pictures._facts import MAX_FRAMES, MAX_METADATA_BYTES, MAX_SEGMENTS, CheckSize, Facts
from scai.pictures._source import Source, at_most, cut_off, damaged

_START = 12
_HEAD_BYTES = 8
_METADATA = (b"EXIF", b"XMP ", b"ICCP")
_PIXELS = (b"VP8 ", b"VP8L", b"ANMF")
_HAS_EXIF, _IS_ANIMATED = 0x08, 0x02


def read(source: Source, check: CheckSize) -> Facts:
    """Facts about a WebP. Raises BadImage and TooExpensive."""
    width, height, flags = _canvas(source.exactly(_START, 4), source.some(_START + 8, 10))
    check(width, height)
    size = int.from_bytes(source.exactly(4, 4), "little") + _HEAD_BYTES
    if size > source.size:
        raise cut_off()
    frames, orientation = _walk(source, size)
    if not frames:
        raise damaged("a WebP without pixels")
    # The decoder keeps two canvases and the picture in RGBA, and copies the file.
    need = width * height * 40 + source.size * 2 + 8_000_000
    return Facts(width, height, "RGBA", need, orientation if flags & _HAS_EXIF else 1)


def _canvas(chunk: bytes, data: bytes) -> tuple[int, int, int]:
    """Width, height and flags by the first chunk (sections 2.5 to 2.7)."""
    if chunk == b"VP8X" and len(data) >= 10:
        return (
            int.from_bytes(data[4:7], "little") + 1,
            int.from_bytes(data[7:10], "little") + 1,
            data[0],
        )
    if chunk == b"VP8L" and len(data) >= 5 and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 0
    if chunk == b"VP8 " and len(data) >= 10 and data[3:6] == b"\x9d\x01\x2a":
        return (
            int.from_bytes(data[6:8], "little") & 0x3FFF,
            int.from_bytes(data[8:10], "little") & 0x3FFF,
            0,
        )
    raise damaged("expected VP8, VP8L or VP8X as the first chunk of a WebP")


def _walk(source: Source, size: int) -> tuple[int, int]:
    """The number of frames, and the orientation."""
    orientation: int | None = None
    frames = others = metadata = 0
    place = _START
    while place + _HEAD_BYTES <= size:
        head = source.exactly(place, _HEAD_BYTES)
        name, length = head[:4], int.from_bytes(head[4:], "little")
        end = place + _HEAD_BYTES + length
        if end > size:
            raise cut_off()
        if name in _PIXELS:
            frames += 1
            at_most(frames, MAX_FRAMES, "frames in a WebP")
        else:
            others += 1
            at_most(others, MAX_SEGMENTS, "chunks in a WebP")
        if name in _METADATA:
            metadata += length
            at_most(metadata, MAX_METADATA_BYTES, "bytes of metadata")
        if name == b"EXIF" and orientation is None:
            block = source.some(place + _HEAD_BYTES, min(length, _exif.MAX_BYTES))
            orientation = _exif.orientation(block)
        place = end + (length & 1)
    return frames, orientation or 1
