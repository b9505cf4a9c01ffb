"""Read a GIF up to its first frame, the only one that is decoded (GIF89a specification)."""

from __future__ import annotations

from scai.pictures._facts import MAX_METADATA_BYTES, MAX_SEGMENTS, CheckSize, Facts
from scai.pictures._source import Source, at_most, damaged

_EXTENSION, _FRAME = 0x21, 0x2C
_HEAD_BYTES = 13
_MAX_PARTS = 10_000


def read(source: Source, check: CheckSize) -> Facts:
    """Facts about a GIF, of the size of its canvas. Raises BadImage and TooExpensive.

    A first frame that reaches beyond the canvas makes it larger, as in the decoder.
    """
    head = source.exactly(0, _HEAD_BYTES)
    width, height = (int.from_bytes(head[i : i + 2], "little") for i in (6, 8))
    place = _first_frame(source, _HEAD_BYTES + _colours(head[10]))
    left, top, wide, high = (
        int.from_bytes(source.exactly(place + 2 * i, 2), "little") for i in range(4)
    )
    width, height = max(width, left + wide), max(height, top + high)
    check(width, height)
    # Palette pixels, the frame and the canvas, then the copies on the way to upright RGB.
    return Facts(width, height, "P", width * height * 30 + 4_000_000)


def _colours(flags: int) -> int:
    """The bytes of a colour table by the flags before it."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _first_frame(source: Source, place: int) -> int:
    """The place of the first frame's position and size; extensions before it are jumped over."""
    blocks = parts = metadata = 0
    while True:
        kind = source.exactly(place, 1)[0]
        if kind == _FRAME:
            return place + 1
        if kind != _EXTENSION:
            raise damaged("expected a frame in a GIF")
        blocks += 1
        at_most(blocks, MAX_SEGMENTS, "extensions in a GIF")
        place += 2
        while True:
            length = source.exactly(place, 1)[0]
            place += 1 + length
            if not length:
                break
            parts, metadata = parts + 1, metadata + length
            at_most(parts, _MAX_PARTS, "parts of extensions in a GIF")
            at_most(metadata, MAX_METADATA_BYTES, "bytes of metadata")
