"""Decode JPEG with libjpeg-turbo, which tells when data is missing.

OpenCV and Pillow fill a picture that is cut off and closed by an end marker with grey.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from scai.pictures import _jpeg

# The library stops at its first warning. Bytes before the end marker come after all pixels.
_AT_THE_END = "extraneous bytes before marker 0xd9"
# These come before any pixel, from cameras that are careless about headers.
_IN_THE_HEADER = ("extraneous bytes", "Invalid SOS parameters", "JFIF revision")


def decode(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode to (h, w, 3) uint8 RGB, in the smallest size of at least `height` and `width`.

    `data` has passed the portal's reader. Raises ValueError, with the library's words, for
    damaged or missing data.
    """
    return _careful(data, "RGB", height, width)


def require_all_data(data: bytes) -> None:
    """Raise ValueError, as `decode` does, unless all data of a JPEG of any colours is there."""
    _careful(data, "CMYK", 1, 1)


def _careful(data: bytes, colours: str, height: int, width: int) -> NDArray[np.uint8]:
    try:
        return _decode(data, colours, height, width, True)
    except ValueError as error:
        if _AT_THE_END in str(error):
            return _decode(data, colours, height, width, False)
        if not any(words in str(error) for words in _IN_THE_HEADER):
            raise
    data = _jpeg.without_metadata(data)
    try:
        return _decode(data, colours, height, width, True)
    except ValueError as error:
        if _AT_THE_END in str(error):
            return _decode(data, colours, height, width, False)
        raise


def _decode(data: bytes, colours: str, height: int, width: int, strict: bool) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colours, min_height=height, min_width=width, strict=strict
    )
    return pixels
