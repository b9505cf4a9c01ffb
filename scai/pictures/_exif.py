"""The orientation in an EXIF block: the one tag that matters here, and nothing else of it.

CIPA DC-008 (Exif 2.32), section 4.6: a TIFF header, then the directory "0th IFD".
"""

from __future__ import annotations

import struct

PREFIX = b"Exif\0\0"
# A block in a JPEG has no more; what is longer elsewhere is not read to its end.
MAX_BYTES = 65_536
_ORIENTATION = 0x0112
_MAX_ENTRIES = 1_000
_ENTRY = 12
# Types of the value: code -> letter of `struct`.
_TYPES = {1: "B", 3: "H", 4: "I"}


def orientation(block: bytes) -> int:
    """The orientation 1..8 in a block, with or without its prefix; 1 for none.

    A damaged block gives 1 as well: metadata is no reason to refuse a sound picture.
    """
    tiff = block.removeprefix(PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for place in range(start + 2, start + 2 + _ENTRY * min(count, _MAX_ENTRIES), _ENTRY):
            tag, kind, number = struct.unpack_from(order + "HHI", tiff, place)
            if tag == _ORIENTATION:
                if number != 1 or kind not in _TYPES:
                    return 1
                (value,) = struct.unpack_from(order + _TYPES[kind], tiff, place + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
