"""Targets: headers of pictures, and pictures that are decoded."""

from __future__ import annotations

import numpy as np
from PIL import Image

from scai.errors import BadImage
from scai.pictures._source import Source
from scai.pictures.header import Limits, probe
from scai.pictures.pixels import read_picture
from support import hostile_pictures as hostile
from support.fuzzing.engine import Target
from support.pictures import FORMATS, corners, noise, saved

# Small, so that one input takes little time.
LIMITS = Limits(max_bytes=100_000, max_pixels=300_000, max_side=4000)
WATCHED = tuple(
    f"scai/pictures/{name}.py"
    for name in ("_bmp", "_exif", "_gif", "_jpeg", "_png", "_source", "_webp", "header", "pixels")
)
TOKENS = (
    *(bytes([0xFF, marker]) for marker in (*range(0xC0, 0xF0), 0xFE, 0x00, 0x01)),
    b"\xff\xda\0\x08\1\1\0\0\x3f\0",
    *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"fcTL"),
    *(b"VP8 ", b"VP8L", b"VP8X", b"ANMF", b"ALPH", b"EXIF", b"ICCP", b"XMP ", b"RIFF", b"WEBP"),
    *(b"GIF87a", b"GIF89a", b"!\xf9\x04", b"!\xfe", b"!\xff", b",", b";", b"BM", b"Exif\0\0"),
    *(b"II*\0", b"MM\0*", b"\x12\1\3\0\1\0\0\0", b"\1\x12\0\3\0\0\0\1", b"JFIF\0", b"Adobe"),
)


def seeds() -> list[bytes]:
    """Small pictures of every kind."""
    exif = Image.Exif()
    exif[0x0112] = 6
    small = noise(60, 40)
    animation = {"save_all": True, "append_images": [corners()]}
    files = [saved(small, format) for format in FORMATS]
    for mode in ("L", "P", "1", "RGBA", "LA", "CMYK", "I;16"):
        for format in FORMATS:
            try:
                files.append(saved(small.convert("L").convert(mode), format))
            except (OSError, ValueError):
                continue  # a format without such pixels
    files += [saved(corners(), f, exif=exif) for f in ("JPEG", "PNG", "WEBP")]
    files += [saved(small, "JPEG", progressive=True), saved(small, "JPEG", restart_marker_blocks=2)]
    files += [saved(small, "WEBP", lossless=True), saved(corners(), "GIF", **animation)]
    files += [saved(corners(), "WEBP", **animation), saved(corners(), "PNG", **animation)]
    files += [hostile.jpeg_of_scans(3), hostile.bmp(8, 8, b"\1\1\0\1", 8, 1)]
    return files


def run_header(data: bytes) -> str:
    """Probe: an answer or a refusal, after few bytes."""
    with Source(data) as source:
        try:
            info = probe(source, LIMITS)
        except BadImage as error:
            answer = f"{type(error).__name__} {error.details.get('stage')}"
        else:
            assert 1 <= info.width <= LIMITS.max_side and 1 <= info.height <= LIMITS.max_side
            assert info.width * info.height <= LIMITS.max_pixels
            assert info.orientation in range(1, 9)
            assert not info.is_harmless or info.scans == 1
            answer = f"{info.format} {info.mode} {info.orientation} {info.one_pass}"
        # Blocks of a search lie over each other by a byte; small pieces are read twice.
        assert source.bytes_read <= 3 * len(data) + 500_000, source.bytes_read
    return answer


def run_picture(data: bytes) -> str:
    """Decode: pixels of the size that the header says, or a refusal of the picture."""
    answers = []
    for least in (None, (5, 5)):
        try:
            picture = read_picture(data, LIMITS, least)
        except BadImage as error:
            answers.append(f"{type(error).__name__} {str(error.__cause__)[:40]}")
            continue
        info = probe(data, LIMITS)
        sides = (info.width, info.height)
        assert (picture.width, picture.height) == (sides if info.orientation < 5 else sides[::-1])
        assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[2] == 3
        if least is None:
            assert picture.pixels.shape[:2] == (picture.height, picture.width)
        else:
            assert min(picture.pixels.shape[:2]) >= min(5, picture.height, picture.width)
        answers.append(f"{info.format} {info.mode}")
    assert answers[0].split()[0] == answers[1].split()[0], answers
    return answers[0]


HEADERS = Target("headers", run_header, seeds, WATCHED, TOKENS)
PICTURES = Target("pictures", run_picture, seeds, WATCHED, TOKENS)
