"""Check a picture by its structure, without decoding a pixel or inflating anything.

The portal does this with every upload, so this file and the readers beside it use plain Python
alone; pixels.py, which decodes, is never imported there. The content decides the format, never
the file's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scai.errors import BadImage, ImageTooLarge, TooExpensive, UnsupportedFormat
from scai.pictures import _bmp, _gif, _jpeg, _png, _webp
from scai.pictures._facts import CheckSize, Facts
from scai.pictures._source import Source

MAX_SIDE_PIXELS = 16_384
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif"}
# What a picture's name may end in, in any case.
SUFFIXES = (*_SUFFIXES.values(), ".jpeg")
_HEAD_BYTES = 16
_READERS: dict[str, Callable[[Source, CheckSize], Facts]] = {
    "JPEG": _jpeg.read,
    "PNG": _png.read,
    "WEBP": _webp.read,
    "BMP": _bmp.read,
    "GIF": _gif.read,
}
# A picture of one colour has at most 26,000 pixels a byte from any encoder's usual settings
# (lossless WebP; PNG and GIF are far below). Small pictures may be of one colour at no cost.
MAX_PIXELS_PER_BYTE = 32_768
_ALWAYS_PLAUSIBLE_PIXELS = 1_000_000
# A picture below these is decoded in a fraction of a second, if it is of one pass.
_HARMLESS_PIXELS = 16_000_000
_HARMLESS_BYTES = 8_000_000


@dataclass(frozen=True)
class Limits:
    """The largest picture accepted: bytes of the file, pixels, pixels along one side."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    max_side: int = MAX_SIDE_PIXELS


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class ImageInfo:
    """Facts from a picture's structure: width and height in pixels as stored, before EXIF turns it.

    `format` is JPEG, PNG, WEBP, BMP or GIF; `suffix` its usual file suffix; `mode` Pillow's name
    of the pixel type ("RGB", "L", "P", "CMYK", ...); `orientation` the EXIF orientation, 1..8;
    `scans` the passes over the pixels in a JPEG. `decode_bytes` is at most what decoding it needs
    in memory beside the file. `one_pass` says that every decoder reads this JPEG in one pass.
    """

    format: str
    width: int
    height: int
    bytes: int
    suffix: str
    mode: str
    orientation: int
    scans: int
    decode_bytes: int
    one_pass: bool

    @property
    def size(self) -> str:
        """Its size in words: "640x480"."""
        return f"{self.width}x{self.height}"

    @property
    def is_harmless(self) -> bool:
        """Whether it decodes in a fraction of a second, whatever its pixels are.

        True for a JPEG of usual size with Huffman codes whose one scan holds all of it: the work
        then grows with its bytes and pixels alone.
        """
        return (
            self.one_pass
            and self.mode in ("RGB", "L")
            and self.width * self.height <= _HARMLESS_PIXELS
            and self.bytes <= _HARMLESS_BYTES
        )


def probe(
    source: bytes | os.PathLike[str] | str | Source, limits: Limits = DEFAULT_LIMITS
) -> ImageInfo:
    """Check a picture, in memory or in a file, by its structure.

    Raises UnsupportedFormat, ImageTooLarge, TooExpensive or BadImage; the details hold the stage
    and, for limits, the limit and the setting's name. Errors of the file system pass through.
    """
    if isinstance(source, Source):
        return _probe(source, limits)
    with Source(source) as opened:
        return _probe(opened, limits)


def _probe(source: Source, limits: Limits) -> ImageInfo:
    if source.size > limits.max_bytes:
        raise ImageTooLarge(
            f"expected at most {limits.max_bytes / 1e6:g} MB, got {source.size / 1e6:.1f} MB",
            stage="size",
            limit=limits.max_bytes,
            setting="max_upload_mb",
        )
    kind = sniff(source.some(0, _HEAD_BYTES))

    def check(width: int, height: int) -> None:
        _check_size(width, height, limits)
        _check_plausible(width, height, source.size)

    facts = _READERS[kind](source, check)
    return ImageInfo(
        kind,
        facts.width,
        facts.height,
        source.size,
        _SUFFIXES[kind],
        facts.mode,
        facts.orientation,
        facts.scans,
        facts.decode_bytes,
        facts.one_pass,
    )


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


def _check_plausible(width: int, height: int, size: int) -> None:
    """Refuse a picture whose few bytes would become many megabytes of pixels."""
    if width * height > _ALWAYS_PLAUSIBLE_PIXELS + MAX_PIXELS_PER_BYTE * size:
        raise TooExpensive(
            f"expected at most {MAX_PIXELS_PER_BYTE:,} pixels for each byte of the file, got "
            f"{width}x{height} pixels in {size:,} bytes; send a smaller picture",
            stage="header",
            limit=MAX_PIXELS_PER_BYTE,
        )
