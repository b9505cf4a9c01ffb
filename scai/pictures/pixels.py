"""Decode pictures to upright pixels, resize them for a model, and encode PNG.

Everything here is (h, w, 3) uint8 RGB unless stated otherwise. libjpeg-turbo decodes grey and
colour JPEG; Pillow decodes everything else.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.errors import BadImage, OutOfResources
from scai.pictures import _libjpeg, png
from scai.pictures.header import DEFAULT_LIMITS, MAX_SIDE_PIXELS, ImageInfo, Limits, probe

# OpenCV reads these once, when it is imported; its own defaults are 2^20 a side.
for _name, _limit in (
    ("WIDTH", MAX_SIDE_PIXELS),
    ("HEIGHT", MAX_SIDE_PIXELS),
    ("PIXELS", MAX_SIDE_PIXELS * MAX_SIDE_PIXELS),
):
    os.environ.setdefault(f"OPENCV_IO_MAX_IMAGE_{_name}", str(_limit))

import cv2  # noqa: E402

Pixels = NDArray[np.uint8]

METHODS = ("bilinear", "area", "tf1", "letterbox")
PADDING_GREY = 128
# Divisors of both sides at which libjpeg-turbo decodes fast, the strongest first.
_REDUCTIONS = (8, 4, 2)


@dataclass(frozen=True)
class Picture:
    """A decoded photo.

    `pixels`: (h, w, 3) uint8 RGB, upright, perhaps reduced. `width`, `height`: pixels of the
    whole upright picture; boxes and results refer to it. `orientation`: the EXIF orientation, 1..8,
    in which it was stored.
    """

    pixels: Pixels
    width: int
    height: int
    orientation: int = 1


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode the whole picture in `data`, upright; see `read_picture`."""
    return read_picture(data, limits).pixels


def read_picture(
    data: bytes, limits: Limits = DEFAULT_LIMITS, least: tuple[int, int] | None = None
) -> Picture:
    """Decode the picture in `data` and turn it upright.

    With `least`, a height and width in pixels, a JPEG in grey or colour may be reduced to a half,
    a quarter or an eighth, which is faster, as long as no upright side gets shorter than that.
    Transparency becomes white; the first of several frames counts. Raises what `probe` raises,
    BadImage(stage="decode") for data that is damaged or missing, and OutOfResources.
    """
    info = probe(data, limits)
    with decoder_errors(info):
        if info.format == "JPEG" and info.mode in ("RGB", "L"):
            with suppress(_libjpeg.OddSampling):
                return _decode_jpeg(data, info, least)
        pixels = _decode_slowly(data, info)
    return Picture(pixels, pixels.shape[1], pixels.shape[0], info.orientation)


def warm_up() -> None:
    """Load all that decoding may load later, for a process that can open no file from then on."""
    from scai.pictures import _pillow

    _pillow.load_readers()
    for orientation in range(1, 9):
        _upright(np.zeros((64, 64, 3), np.uint8), orientation)


def _decode_slowly(data: bytes, info: ImageInfo) -> Pixels:
    # Loaded when it is needed: job mode starts a process for each photo.
    from scai.pictures import _pillow

    if info.format == "JPEG":
        return _pillow.decode_whole_jpeg(data, info.orientation)
    return _pillow.decode(data, info.format, info.orientation)


def _decode_jpeg(data: bytes, info: ImageInfo, least: tuple[int, int] | None) -> Picture:
    turned = info.orientation >= 5
    height, width = (info.width, info.height) if turned else (info.height, info.width)
    divisor = _reduction(height, width, least)
    sides = -(-info.height // divisor), -(-info.width // divisor)
    pixels = _upright(_libjpeg.decode(data, *sides), info.orientation)
    return Picture(pixels, width, height, info.orientation)


def _reduction(height: int, width: int, least: tuple[int, int] | None) -> int:
    """The strongest reduction that keeps both sides at `least`; 1 for none."""
    if least is None:
        return 1
    room = min(height // least[0], width // least[1])
    return next((divisor for divisor in _REDUCTIONS if divisor <= room), 1)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels turned by their EXIF orientation, as Pillow's transpositions do."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    # In place: two pictures at a time are enough.
    return pixels if flip is None else cv2.flip(pixels, flip, dst=pixels)


@contextmanager
def decoder_errors(info: ImageInfo) -> Iterator[None]:
    """Turn any error of a decoder inside into a BadImage.

    Raises OutOfResources where memory was lacking: that is not the picture's fault.
    """
    try:
        yield
    except (BadImage, OutOfResources):
        raise
    except Exception as error:
        # Hostile bytes make a decoder raise nearly anything: OSError, SyntaxError, ValueError,
        # struct.error, EOFError. So does a lack of memory, which only some of them name.
        if (
            isinstance(error, MemoryError)
            or getattr(error, "code", None) == cv2.Error.StsNoMem
            or not _has_memory(info.decode_bytes)
        ):
            raise OutOfResources(
                "the server had too little memory to read this picture", stage="decode"
            ) from error
        raise BadImage(
            f"the pixel data of this {info.format} picture is damaged or cut off", stage="decode"
        ) from error


def _has_memory(size: int) -> bool:
    """Whether this process may have `size` more bytes; they are asked for and not used."""
    try:
        mmap.mmap(-1, size).close()
    except OSError:
        return False
    return True


def resize(image: Pixels, height: int, width: int, method: str = "bilinear") -> NDArray[Any]:
    """Resize a picture to (height, width, 3).

    bilinear: uint8, OpenCV's linear interpolation, the fastest. area: uint8, the mean of the source
    pixels, the best for strong reduction. tf1: float32, the sampling of TF1's `resize_bilinear`
    without half-pixel centres, as the original's models expect. letterbox: uint8, see
    `letterbox`. Raises ValueError for another method.
    """
    if method == "tf1":
        return resize_tf1(image, height, width)
    if method == "letterbox":
        return letterbox(image, height, width)
    if image.shape[:2] == (height, width):
        return image
    if method == "area":
        # OpenCV's area method is meant for reduction; enlarging with it gives blocks.
        shrinks = height <= image.shape[0] and width <= image.shape[1]
        kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    elif method == "bilinear":
        kind = cv2.INTER_LINEAR
    else:
        raise ValueError(f"resize: expected one of {', '.join(METHODS)}, got {method!r}")
    resized: Pixels = cv2.resize(image, (width, height), interpolation=kind)
    return resized


def resize_tf1(image: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """`tf.compat.v1.image.resize_bilinear(..., align_corners=False, half_pixel_centers=False)`.

    Source coordinate = target coordinate * (source size / target size), in float32; see
    tensorflow/core/kernels/image/resize_bilinear_op.cc.
    """
    top, bottom, down = _tf1_taps(image.shape[0], height)
    left, right, along = _tf1_taps(image.shape[1], width)
    # Only the rows in use become float: a photo is larger than a model's input.
    upper, lower = image[top], image[bottom]
    along = along[None, :, None]
    above = _between(upper[:, left], upper[:, right], along)
    below = _between(lower[:, left], lower[:, right], along)
    return above + (below - above) * down[:, None, None]


def _between(a: NDArray[Any], b: NDArray[Any], share: NDArray[np.float32]) -> NDArray[np.float32]:
    start = a.astype(np.float32)
    return start + (b.astype(np.float32) - start) * share


def _tf1_taps(
    size: int, target: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each target index both source indices, and the share (0..1) of the second."""
    place = np.arange(target, dtype=np.float32) * np.float32(size / target)
    low = np.minimum(np.floor(place).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    return low, high, (place - low).astype(np.float32)


def fit_within(image: Pixels, max_side: int) -> Pixels:
    """Reduce a picture in proportion so that no side is longer than `max_side` pixels."""
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return resize(image, *size, method="area")


def letterbox(image: Pixels, height: int, width: int) -> Pixels:
    """Fit the whole picture into the top left corner of (height, width, 3), the rest grey.

    The corner and not the middle, as in the resizers of the TF Object Detection API.
    """
    inner_h, inner_w = letterbox_inner(image.shape[0], image.shape[1], height, width)
    ground = np.full((height, width, 3), PADDING_GREY, np.uint8)
    ground[:inner_h, :inner_w] = resize(image, inner_h, inner_w, method="area")
    return ground


def letterbox_inner(image_h: int, image_w: int, height: int, width: int) -> tuple[int, int]:
    """Height and width in pixels of a picture within its letterbox."""
    scale = min(height / image_h, width / image_w)
    return min(height, max(1, round(image_h * scale))), min(width, max(1, round(image_w * scale)))


def encode_png(image: Pixels, *, with_isal: bool = True) -> bytes:
    """Encode a picture as PNG without metadata, by the fastest encoder that still compresses.

    ISA-L is the fastest; OpenCV encodes where it is not installed, or with `with_isal` false.
    Raises ValueError for anything but (h, w, 3) uint8 with pixels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"encode_png: expected (h, w, 3) uint8, got {image.shape} {image.dtype}")
    if with_isal and png.available():
        return png.encode(image)
    return _encode_png_with_opencv(image)


def _encode_png_with_opencv(image: Pixels) -> bytes:
    # Filter SUB and Huffman codes alone are faster than zlib's search, and hardly larger.
    options = [
        cv2.IMWRITE_PNG_COMPRESSION,
        1,
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
        cv2.IMWRITE_PNG_FILTER,
        cv2.IMWRITE_PNG_FILTER_SUB,
    ]
    success, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not success:
        raise BadImage("the result picture could not be encoded", stage="encode")
    return bytes(data)
