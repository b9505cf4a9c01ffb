"""Decode with Pillow: palettes, transparency, 16 bits, CMYK, and every format but plain JPEG.

Each format is opened by its own reader, and no other reader is ever loaded, so no content can
choose another parser. Metadata of PNG and JPEG does not get here.
"""

from __future__ import annotations

import importlib
import io
import random
import warnings
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from scai.pictures import _jpeg, _png
from scai.pictures.header import MAX_SIDE_PIXELS

# `Limits` is stricter than Pillow's own bound, so that is raised to the largest picture whose
# sides are within our limit; above it, Pillow's warning is an error.
Image.MAX_IMAGE_PIXELS = MAX_SIDE_PIXELS * MAX_SIDE_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# Damage in a stranger's picture does not belong in the log of a server.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_READERS = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
}
# Pixel data that no picture holds by chance.
_NOISE = random.Random(1).randbytes(400).replace(b"\xff", b"\x35")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, kind: str, orientation: int) -> NDArray[np.uint8]:
    """Decode a picture of one format to (h, w, 3) uint8 RGB, turned by its orientation.

    `data` has passed the portal's reader. Errors of the library pass through.
    """
    if kind == "JPEG":
        data = _jpeg.without_metadata(data)
    elif kind == "PNG":
        data = _png.without_metadata(data)
    with _open(kind, io.BytesIO(data)) as image:
        image.load()
        rgb = _to_rgb(image)
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    return np.array(rgb, np.uint8)


def decode_whole_jpeg(data: bytes, orientation: int) -> NDArray[np.uint8]:
    """Decode a JPEG as `decode` does, and raise ValueError where pixels are missing.

    The library fills them with grey and says nothing. So the picture is decoded once more with
    more data behind: if that changes a pixel, the decoder had not come to its end.
    """
    pixels = decode(data, "JPEG", orientation)
    if not np.array_equal(pixels, decode(_with_more(data), "JPEG", orientation)):
        raise ValueError("pixels of this JPEG are missing")
    return pixels


def _with_more(data: bytes) -> bytes:
    """The JPEG with more pixel data behind, also where the next restart marker is due."""
    begin, end = _jpeg.last_scan(data)
    last = max(range(8), key=lambda i: data.rfind(bytes((0xFF, 0xD0 + i)), begin, end))
    count = 0 if data.rfind(bytes((0xFF, 0xD0 + last)), begin, end) < 0 else last + 1
    restarts = (bytes((0xFF, 0xD0 + (count + i) % 8)) + _NOISE for i in range(16))
    # A byte FF would make a marker of the next one.
    pixels = data[:end].rstrip(b"\xff")
    return pixels + _NOISE + b"".join(restarts) + b"\xff\xd9"


def load_readers() -> None:
    """Load the readers of all formats, which otherwise happens at the first picture of each."""
    for kind in _READERS:
        _reader(kind)


def _open(kind: str, file: IO[bytes]) -> ImageFile.ImageFile:
    image: ImageFile.ImageFile = _reader(kind)(file)
    return image


def _reader(kind: str) -> type[ImageFile.ImageFile]:
    module, name = _READERS[kind]
    reader: type[ImageFile.ImageFile] = getattr(importlib.import_module(f"PIL.{module}"), name)
    return reader


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        wide = np.asarray(image)
        if image.mode == "I":
            wide = np.clip(wide, 0, 65535)
        return Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
