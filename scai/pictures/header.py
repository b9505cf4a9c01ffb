"""Check a picture by its header, without decoding a pixel.

The portal does this with every upload, so this file needs Pillow alone; pixels.py, which decodes
with OpenCV, is never imported there. The content decides the format, never the file's name. The
size of a WebP is read here and not by Pillow, whose reader allocates the whole canvas first.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, JpegImagePlugin

from scai.errors import BadImage, ImageTooLarge, OutOfResources, UnsupportedFormat

MAX_SIDE_PIXELS = 16_384
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif"}
# What a picture's name may end in, in any case.
SUFFIXES = (*_SUFFIXES.values(), ".jpeg")
_HEAD_BYTES = 32
# The code of cv2.error when memory is lacking (cv2.Error.StsNoMem).
_OPENCV_NO_MEMORY = -4
Block = bytes

# `Limits` is stricter than Pillow's own bound, so that is raised to the largest picture whose
# sides are within our limit; above it, Pillow's warning is an error.
Image.MAX_IMAGE_PIXELS = MAX_SIDE_PIXELS * MAX_SIDE_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# Damaged metadata of a stranger's picture does not belong in the log of a server.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True)
class Limits:
    """The largest picture accepted: bytes of the file, pixels, pixels along one side."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    max_side: int = MAX_SIDE_PIXELS


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class ImageInfo:
    """Facts from a picture's header: width and height in pixels as stored, before EXIF turns it.

    `format` is JPEG, PNG, WEBP, BMP or GIF; `suffix` its usual file suffix; `mode` Pillow's name
    of the pixel type ("RGB", "L", "P", "CMYK", ...). `exif` is the block in a JPEG's header,
    empty when there is none.
    """

    format: str
    width: int
    height: int
    bytes: int
    suffix: str
    mode: str
    exif: Block = field(default=b"", repr=False)

    @property
    def size(self) -> str:
        """Its size in words: "640x480"."""
        return f"{self.width}x{self.height}"


def probe(source: bytes | os.PathLike[str] | str, limits: Limits = DEFAULT_LIMITS) -> ImageInfo:
    """Check a picture, in memory or in a file, by its header.

    Raises UnsupportedFormat, ImageTooLarge or BadImage; the details hold the stage and, for
    limits, the limit and the setting's name. Errors of the file system pass through.
    """
    if isinstance(source, bytes):
        return _probe(io.BytesIO(source), len(source), limits)
    with Path(source).open("rb") as file:
        return _probe(file, os.fstat(file.fileno()).st_size, limits)


def _probe(file: IO[bytes], size: int, limits: Limits) -> ImageInfo:
    if size > limits.max_bytes:
        raise ImageTooLarge(
            f"expected at most {limits.max_bytes / 1e6:g} MB, got {size / 1e6:.1f} MB",
            stage="size",
            limit=limits.max_bytes,
            setting="max_upload_mb",
        )
    head = file.read(_HEAD_BYTES)
    kind = sniff(head)
    file.seek(0)
    exif = b""
    if kind == "WEBP":
        width, height = _webp_size(head)
        mode = "RGBA"
    else:
        with decoder_errors("header", kind), open_as(kind, file) as image:
            (width, height), mode = image.size, image.mode
            if kind == "JPEG":
                exif = image.info.get("exif", b"")
    _check_size(width, height, limits)
    return ImageInfo(kind, width, height, size, _SUFFIXES[kind], mode, exif)


def open_as(kind: str, file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a file with Pillow's reader of one format, and read its header; its errors pass through.

    JPEG, by far the most common, is opened without loading Pillow's readers of other formats.
    """
    if kind == "JPEG":
        return JpegImagePlugin.JpegImageFile(file)
    if kind == "PNG":
        from PIL import PngImagePlugin

        # A sound PNG may contain megabytes of text; Pillow's bound on the total stays.
        PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
    return Image.open(file, formats=[kind])


def sniff(head: bytes) -> str:
    """The format by the first bytes of a file. Raises UnsupportedFormat for any other."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"BM"):
        return "BMP"
    raise UnsupportedFormat(
        "expected a JPEG, PNG, WebP, BMP or GIF picture, got "
        + ("other content" if head else "an empty file"),
        stage="format",
    )


def mime_type(path: Path) -> str:
    """The MIME type of a stored picture by its first bytes; octet-stream for anything else."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    try:
        return f"image/{sniff(head).lower()}"
    except UnsupportedFormat:
        return "application/octet-stream"


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height of a WebP file by its first chunk (RFC 9649, sections 2.5 to 2.7)."""
    chunk, data = head[12:16], head[20:]
    if chunk == b"VP8X" and len(data) >= 10:
        return (
            int.from_bytes(data[4:7], "little") + 1,
            int.from_bytes(data[7:10], "little") + 1,
        )
    if chunk == b"VP8L" and len(data) >= 5 and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(data) >= 10 and data[3:6] == b"\x9d\x01\x2a":
        return (
            int.from_bytes(data[6:8], "little") & 0x3FFF,
            int.from_bytes(data[8:10], "little") & 0x3FFF,
        )
    raise BadImage("the header of this WEBP picture is damaged or cut off", stage="header")


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise BadImage(f"expected a picture with pixels, got {width}x{height}", stage="header")
    if width > limits.max_side or height > limits.max_side:
        raise ImageTooLarge(
            f"expected at most {limits.max_side} pixels a side, got {width}x{height}",
            stage="header",
            limit=limits.max_side,
        )
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"expected at most {limits.max_pixels / 1e6:g} megapixels, got {width}x{height}",
            stage="header",
            limit=limits.max_pixels,
            setting="max_megapixels",
        )


@contextmanager
def decoder_errors(stage: str, kind: str) -> Iterator[None]:
    """Turn any error of a decoder inside into a BadImage that names the stage.

    Raises OutOfResources where memory was lacking: that is not the picture's fault.
    """
    try:
        yield
    except (BadImage, OutOfResources):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"expected at most {MAX_SIDE_PIXELS} pixels a side, got a larger picture",
            stage=stage,
            limit=MAX_SIDE_PIXELS,
        ) from error
    except Exception as error:
        if isinstance(error, MemoryError) or getattr(error, "code", None) == _OPENCV_NO_MEMORY:
            raise OutOfResources(
                "the server had too little memory to read this picture", stage=stage
            ) from error
        # Hostile bytes make a decoder raise nearly anything: OSError, SyntaxError, struct.error,
        # EOFError. In each of these cases the sender's picture is at fault.
        where = "header" if stage == "header" else "pixel data"
        raise BadImage(
            f"the {where} of this {kind} picture is damaged or cut off", stage=stage
        ) from (error)
