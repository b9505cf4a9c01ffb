"""Read the structure of a PNG chunk by chunk; nothing is inflated (PNG, third edition)."""

from __future__ import annotations

import struct

from scai.pictures import _exif
from scai.pictures._facts import MAX_FRAMES, MAX_METADATA_BYTES, MAX_SEGMENTS, CheckSize, Facts
from scai.pictures._source import Source, at_most, cut_off, damaged

_START = 8
_FRAME_BYTES = 12  # a chunk's length, name and checksum
# (colour type, bits) -> Pillow's mode.
_MODES = {
    (0, 1): "1",
    (0, 2): "L",
    (0, 4): "L",
    (0, 8): "L",
    (0, 16): "I;16",
    (2, 8): "RGB",
    (2, 16): "RGB",
    **{(3, bits): "P" for bits in (1, 2, 4, 8)},
    (4, 8): "LA",
    (4, 16): "RGBA",
    (6, 8): "RGBA",
    (6, 16): "RGBA",
}
# What the pixels need. Everything else is metadata, or frames of an animation.
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_DATA = (b"IDAT", b"fdAT")
# Encoders write pixels in chunks of a few kilobytes, and each costs the same to walk over.
_MAX_DATA_CHUNKS = 20_000


def read(source: Source, check: CheckSize) -> Facts:
    """Facts about a PNG. Raises BadImage and TooExpensive."""
    head = source.exactly(_START, 8 + 13)
    if head[:8] != b"\0\0\0\x0dIHDR":
        raise damaged("expected IHDR as the first chunk of a PNG")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", head[8:])
    mode = _MODES.get((colour, bits))
    if mode is None or interlace > 1:
        raise damaged(f"no PNG has colour type {colour} with {bits} bits")
    check(width, height)
    orientation, transparent = _walk(source)
    return Facts(
        width,
        height,
        mode,
        # A copy of the file has no metadata.
        source.size + _decode_bytes(width * height, mode, transparent),
        orientation,
    )


def _walk(source: Source) -> tuple[int, bool]:
    """Walk over the chunks; the orientation, and whether one colour is transparent."""
    orientation: int | None = None
    transparent = False
    others = data = metadata = frames = 0
    place, name = _START, b""
    while name != b"IEND":
        length, name = struct.unpack(">I4s", source.exactly(place, 8))
        end = place + _FRAME_BYTES + length
        # Only the checksum of the last chunk may be missing; no decoder reads it.
        if end > source.size and name != b"IEND":
            raise cut_off()
        if not name.isalpha():
            raise damaged("a PNG chunk has no name")
        if name in _DATA:
            data += 1
            at_most(data, _MAX_DATA_CHUNKS, "chunks of pixels in a PNG")
        else:
            others += 1
            frames += name == b"fcTL"
            at_most(frames, MAX_FRAMES, "frames in a PNG")
            at_most(others - frames, MAX_SEGMENTS, "chunks in a PNG")
            if name not in _NEEDED:
                metadata += length
                at_most(metadata, MAX_METADATA_BYTES, "bytes of metadata")
        if name == b"eXIf" and orientation is None:
            block = source.exactly(place + 8, min(length, _exif.MAX_BYTES))
            orientation = _exif.orientation(block)
        transparent = transparent or name == b"tRNS"
        place = end
    if not data:
        raise damaged("a PNG without pixels")
    return orientation or 1, transparent


def without_metadata(data: bytes) -> bytes:
    """The same picture without chunks that its pixels do not need. `data` has passed `read`."""
    parts, place, name = [data[:_START]], _START, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + _FRAME_BYTES + length
        if name in _NEEDED:
            parts.append(data[place:end])
        place = end
    return b"".join(parts)


def _decode_bytes(pixels: int, mode: str, transparent: bool) -> int:
    """Pillow's picture, its copies on the way to upright RGB, and NumPy's copy."""
    per_pixel = {"1": 1, "L": 1, "P": 1, "I;16": 2, "LA": 4, "RGB": 4, "RGBA": 4}[mode]
    if transparent or mode in ("LA", "RGBA"):
        copies = 4 + 4 + 4 + 4
    elif mode == "I;16":
        copies = 2 + 1 + 1 + 4
    else:
        copies = 4
    return pixels * (per_pixel + copies + 4 + 3) + 8_000_000
