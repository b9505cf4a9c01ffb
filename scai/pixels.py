"""Bytes to upright pixels, and pixels to the size a model wants.

Everything here is (h, w, 3) uint8 RGB unless said otherwise. Plain JPEG goes the fast way
through OpenCV; what OpenCV gets wrong (CMYK, palettes, transparency, 16 bits, turned PNG and
WebP, files cut off) goes through Pillow.
"""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scai.errors import BadImage
from scai.images import DEFAULT_LIMITS, MAX_SIDE_PIXELS, Limits, probe, translated

# OpenCV reads these once, when it is loaded; its own defaults are 2^20 a side.
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
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """The picture in `data`, upright; see `decode_oriented`."""
    return decode_oriented(data, limits)[0]


def decode_oriented(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Pixels, int]:
    """The picture in `data`, turned upright, and the EXIF orientation (1..8) it was stored in.

    Transparency is laid on white; of several frames the first is taken. Raises what `probe`
    raises, and BadImage(stage="decode") for data that is damaged or cut off.
    """
    info = probe(data, limits)
    with translated("decode", info.format):
        # Some OpenCV versions fill up a JPEG that was cut off with grey and say nothing. One
        # that ends with its end marker was not cut; the others are for Pillow, which is strict.
        if info.format == "JPEG" and info.mode in ("RGB", "L") and data.endswith(b"\xff\xd9"):
            raw = np.frombuffer(data, np.uint8)
            # Turned here and not by OpenCV, whose reading of EXIF differs from ours now and then.
            how = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
            pixels: Pixels | None = cv2.imdecode(raw, how)
            if pixels is not None:
                with Image.open(io.BytesIO(data), formats=["JPEG"]) as header:
                    orientation = _orientation(header)
                return _upright(pixels, orientation), orientation
        return _decode_with_pillow(data, info.format)


def _decode_with_pillow(data: bytes, kind: str) -> tuple[Pixels, int]:
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        image.load()
        orientation = _orientation(image)
        rgb = _to_rgb(image)
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    return np.array(rgb, np.uint8), orientation


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels turned by their EXIF orientation: what Pillow's transpositions do, in place."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)


def _orientation(image: Image.Image) -> int:
    """The orientation of the EXIF block alone; Pillow would look into XMP as well."""
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        found = int(exif.get(_EXIF_ORIENTATION, 1))
    except Exception:
        return 1  # damaged metadata is no reason to refuse a sound picture
    return found if found in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def resize(image: Pixels, height: int, width: int, method: str = "bilinear") -> NDArray[Any]:
    """The picture as (height, width, 3).

    bilinear: uint8, OpenCV's linear interpolation, the fastest. area: uint8, the mean of what
    falls together, the best for strong reduction. tf1: float32, the sampling of TF1's
    `resize_bilinear` without half-pixel centres, which the seed system's models were fed with.
    letterbox: uint8, see there.
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
    # Only the rows that are needed are turned to float: a photo is larger than a model's input.
    upper, lower = image[top], image[bottom]
    along = along[None, :, None]
    above = _between(upper[:, left], upper[:, right], along)
    below = _between(lower[:, left], lower[:, right], along)
    return above + (below - above) * down[:, None, None]


def _between(a: NDArray[Any], b: NDArray[Any], share: NDArray[np.float32]) -> NDArray[np.float32]:
    start = a.astype(np.float32)
    return start + (b.astype(np.float32) - start) * share


def _tf1_taps(
    size: int, wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each target index: both source indices and the share of the second."""
    place = np.arange(wanted, dtype=np.float32) * np.float32(size / wanted)
    low = np.minimum(np.floor(place).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    return low, high, (place - low).astype(np.float32)


def fit_within(image: Pixels, longest: int) -> Pixels:
    """The picture, reduced in proportion so that no side is longer than `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return resize(image, *size, method="area")


def letterbox(image: Pixels, height: int, width: int) -> Pixels:
    """The whole picture in proportion in the top left corner of (height, width, 3), the rest grey.

    The corner and not the middle, as the TF Object Detection API's resizers pad.
    """
    inner_h, inner_w = letterbox_inner(image.shape[0], image.shape[1], height, width)
    ground = np.full((height, width, 3), PADDING_GREY, np.uint8)
    ground[:inner_h, :inner_w] = resize(image, inner_h, inner_w, method="area")
    return ground


def letterbox_inner(image_h: int, image_w: int, height: int, width: int) -> tuple[int, int]:
    """Height and width in pixels that a picture takes up within its letterbox."""
    scale = min(height / image_h, width / image_w)
    return min(height, max(1, round(image_h * scale))), min(width, max(1, round(image_w * scale)))


def encode_png(image: Pixels) -> bytes:
    """PNG bytes without metadata, by the fastest setting that still compresses."""
    # Filter SUB and Huffman codes alone: less time than zlib's search, and hardly larger.
    options = [
        cv2.IMWRITE_PNG_COMPRESSION,
        1,
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
        cv2.IMWRITE_PNG_FILTER,
        cv2.IMWRITE_PNG_FILTER_SUB,
    ]
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise BadImage("the result picture could not be encoded", stage="encode")
    return bytes(data)
