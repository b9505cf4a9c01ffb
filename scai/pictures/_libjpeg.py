"""Decode JPEG with libjpeg-turbo, which tells when data is missing.

OpenCV and Pillow fill a picture that is cut off and closed by an end marker with grey.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from scai.pictures import _jpeg

# The library tells its first warning alone. Bytes before the end marker come after all pixels.
_AT_THE_END = "extraneous bytes before marker 0xd9"
# These come before any pixel, from cameras that are careless about headers.
_IN_THE_HEADER = ("extraneous bytes", "Invalid SOS parameters", "JFIF revision")
_ODD_SAMPLING = "subsampling"


class OddSampling(Exception):
    """Colours are sampled in a way that this library does not know; another must decode it."""


def decode(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode to (h, w, 3) uint8 RGB, in the smallest size of at least `height` and `width`.

    `data` has passed the portal's reader. Raises ValueError, with the library's words, for
    damaged or missing data, and OddSampling.
    """
    try:
        return _decode(data, height, width)
    except ValueError as error:
        if not any(words in str(error) for words in _IN_THE_HEADER):
            raise
    return _decode(_jpeg.without_metadata(data), height, width)


def _decode(data: bytes, height: int, width: int, strict: bool = True) -> NDArray[np.uint8]:
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=height, min_width=width, strict=strict
        )
    except ValueError as error:
        if _AT_THE_END in str(error):
            return _decode(data, height, width, strict=False)
        if _ODD_SAMPLING in str(error):
            raise OddSampling from error
        raise
    return pixels
