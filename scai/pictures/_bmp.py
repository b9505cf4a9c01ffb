"""Read the header of a BMP, of Windows and of OS/2."""

from __future__ import annotations

import struct

from scai.errors import UnsupportedFormat
from scai.pictures._facts import CheckSize, Facts
from scai.pictures._source import Source, cut_off, damaged

_OS2_BYTES = 12
_HEADERS = (_OS2_BYTES, 40, 52, 56, 64, 108, 124)
_PLAIN, _RLE8, _RLE4, _MASKS, _ALPHA_MASKS = 0, 1, 2, 3, 6
_BITS = {
    _PLAIN: (1, 4, 8, 16, 24, 32),
    _RLE8: (8,),
    _RLE4: (4,),
    _MASKS: (16, 24, 32),
    _ALPHA_MASKS: (16, 24, 32),
}


def read(source: Source, check: CheckSize) -> Facts:
    """Facts about a BMP. Raises BadImage and, for a JPEG or PNG inside, UnsupportedFormat."""
    start, size = struct.unpack("<II", source.exactly(10, 8))
    if size not in _HEADERS:
        raise damaged(f"no BMP has a header of {size} bytes")
    packing = _PLAIN
    if size == _OS2_BYTES:
        width, height, _, bits = struct.unpack("<HHHH", source.exactly(18, 8))
    else:
        width, height, _, bits, packing = struct.unpack("<iiHHI", source.exactly(18, 16))
        height = abs(height)  # negative: from the top down
    if bits not in _BITS.get(packing, ()):
        raise UnsupportedFormat(
            f"expected a BMP with 1 to 32 bits and no JPEG or PNG inside, got {bits} bits "
            f"and packing {packing}",
            stage="format",
        )
    check(width, height)
    if packing not in (_RLE8, _RLE4):
        row = (width * bits + 31) // 32 * 4
        # Some encoders leave out the padding of the last row.
        if start + row * height - 3 > source.size:
            raise cut_off()
    if start >= source.size:
        raise cut_off()
    mode = "1" if bits == 1 else "P" if bits <= 8 else "RGB" if bits <= 24 else "RGBA"
    return Facts(width, height, mode, width * height * 27 + 4_000_000)
