"""Encode RGB pictures as PNG: one filter for the whole picture, and ISA-L's deflate.

Several times as fast as OpenCV's encoder, with files as small (docs/performance.md).
"""

from __future__ import annotations

import struct
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

isal_zlib: ModuleType | None
try:
    from isal import isal_zlib
except ImportError:  # no build for this processor
    isal_zlib = None

# Rows are filtered and compressed in strips of this size, which fits a core's own cache.
STRIP_BYTES = 1 << 17
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Level 1 of ISA-L: as fast as level 0, and a fifth smaller on photos.
_LEVEL = 1
_SUB, _UP = 1, 2
# The filter is picked by every 16th row.
_SAMPLE = 16

Rows = NDArray[np.uint8]


def available() -> bool:
    """Whether `encode` can be used on this machine."""
    return isal_zlib is not None


def encode(image: NDArray[np.uint8], strip_bytes: int = STRIP_BYTES) -> bytes:
    """Encode `(h, w, 3)` uint8 RGB, both sides at least 1, without metadata.

    Rows are compressed in strips of `strip_bytes`, or one by one where a row is longer.
    """
    assert isal_zlib is not None
    height, width = image.shape[:2]
    rows = np.ascontiguousarray(image).reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            *_chunk(b"IHDR", [header], isal_zlib),
            *_chunk(b"IDAT", _compress(rows, strip_bytes, isal_zlib), isal_zlib),
            *_chunk(b"IEND", [], isal_zlib),
        )
    )


def _chunk(name: bytes, parts: list[bytes], isal: Any) -> list[bytes]:
    check = isal.crc32(name)
    for part in parts:
        check = isal.crc32(part, check)
    length = sum(map(len, parts))
    return [struct.pack(">I", length), name, *parts, struct.pack(">I", check)]


def _compress(rows: Rows, strip_bytes: int, isal: Any) -> list[bytes]:
    """Filter the rows and compress them to one zlib stream, in parts.

    ISA-L lets other threads run meanwhile.
    """
    height, row_bytes = rows.shape
    rows_per_strip = min(height, max(1, strip_bytes // (1 + row_bytes)))
    strip = np.empty((rows_per_strip, 1 + row_bytes), np.uint8)
    filter_type = _better_filter(rows)
    strip[:, 0] = filter_type
    stream = isal.compressobj(_LEVEL)
    parts = []
    for top in range(0, height, rows_per_strip):
        part = strip[: min(rows_per_strip, height - top)]
        (_sub if filter_type == _SUB else _up)(rows, top, part[:, 1:])
        parts.append(stream.compress(part))
    parts.append(stream.flush())
    return parts


def _sub(rows: Rows, top: int, out: Rows) -> None:
    """Filter the rows from `top` on into `out`: each byte minus the one to its left."""
    part = rows[top : top + len(out)]
    out[:, :3] = part[:, :3]
    np.subtract(part[:, 3:], part[:, :-3], out=out[:, 3:])


def _up(rows: Rows, top: int, out: Rows) -> None:
    """Filter the rows from `top` on into `out`: each byte minus the one above, or minus 0."""
    if top == 0:
        out[0] = rows[0]
        out, top = out[1:], 1
    np.subtract(rows[top : top + len(out)], rows[top - 1 : top - 1 + len(out)], out=out)


def _better_filter(rows: Rows) -> int:
    """The filter that leaves the smaller differences in a sample of the rows."""
    sample = rows[1::_SAMPLE]
    above = rows[0:-1:_SAMPLE]
    if not sample.size or rows.shape[1] == 3:
        return _UP if sample.size else _SUB
    up = np.abs((sample - above).view(np.int8).astype(np.int16)).mean()
    beside = np.abs((sample[:, 3:] - sample[:, :-3]).view(np.int8).astype(np.int16)).mean()
    return _UP if up <= beside else _SUB
