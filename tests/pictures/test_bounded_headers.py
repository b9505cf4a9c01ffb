"""Judging a picture takes a bounded number of bytes and a bounded memory, whatever it holds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support import hostile_pictures as hostile
from support.pictures import saved

from scai.errors import BadImage, ImageTooLarge, TooExpensive, UnsupportedFormat
from scai.pictures._source import Source
from scai.pictures.header import Limits, probe
from scai.pictures.pixels import decode, warm_up

BIG = 12_000_000
COSTLY: dict[str, Callable[[], bytes]] = {
    "JPEG of empty comments": lambda: hostile.jpeg_of_segments(BIG),
    "JPEG of small Exif blocks": lambda: hostile.jpeg_of_segments(
        BIG, 0xE1, b"Exif\0\0" + b"x" * 9
    ),
    "JPEG of large Exif blocks": lambda: hostile.jpeg_of_segments(
        BIG, 0xE1, b"Exif\0\0" + b"x" * 65_000
    ),
    "JPEG of empty tables": lambda: hostile.jpeg_of_segments(BIG, 0xDB),
    "JPEG of restart markers": lambda: hostile.jpeg_of_fill_bytes(BIG, b"\xff\xd0"),
    "JPEG of a thousand scans": lambda: hostile.jpeg_of_scans(1_000),
    "JPEG of a hundred and one scans": lambda: hostile.jpeg_of_scans(100),
    "large JPEG of forty scans": lambda: hostile.jpeg_of_scans(40, 8000, 6000),
    "PNG of empty chunks": lambda: hostile.png_of_chunks(BIG),
    "PNG of profiles": lambda: hostile.png_of_profiles(BIG),
    "PNG of text": lambda: hostile.png_of_chunks(BIG, b"tEXt", b"a\0" + b"b" * 50_000),
    "PNG of empty pixels": lambda: hostile.png_of_chunks(BIG, b"IDAT"),
    "PNG of frames": lambda: hostile.png_of_chunks(BIG, b"fcTL", b"\0" * 26),
    "GIF of comments": lambda: hostile.gif_of_extensions(BIG),
    "GIF of one comment": lambda: hostile.gif_of_one_extension(BIG),
    "WebP of frames": lambda: hostile.webp_of_chunks(BIG, b"ANMF"),
    "WebP of chunks": lambda: hostile.webp_of_chunks(BIG, b"abcd"),
    "WebP of few bytes": lambda: hostile.webp_of_few_bytes(8192, 6103),
    "BMP of few bytes": lambda: hostile.bmp(8192, 6103, b"\0\1", 8, 1),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_costs_too_much_is_refused_after_few_bytes(name: str, tmp_path: Path) -> None:
    data = COSTLY[name]()
    file = tmp_path / "picture"
    file.write_bytes(data)
    for origin in (data, file):
        with Source(origin) as source:
            tracemalloc.start()
            with pytest.raises((TooExpensive, UnsupportedFormat, BadImage)) as caught:
                probe(source)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert source.bytes_read < 500_000 or name == "large JPEG of forty scans"
            assert source.bytes_read <= 1.1 * source.size + 500_000
        assert peak < 500_000
        if name != "JPEG of restart markers":
            assert isinstance(caught.value, TooExpensive)
            assert caught.value.status == 422
            assert caught.value.code == "too_expensive"
            assert "expected at most" in caught.value.message
            assert f"{caught.value.details['limit']:,}" in caught.value.message
        with pytest.raises(type(caught.value)):
            decode(data)


@pytest.mark.parametrize("fill", [b"\xff", b"\0", b"x", b"\xff\x00"])
def test_garbage_between_segments_is_refused_after_few_bytes(fill: bytes) -> None:
    with Source(hostile.jpeg_of_fill_bytes(BIG, fill)) as source, pytest.raises(BadImage):
        probe(source)
    assert source.bytes_read < 1_000


def test_a_jpeg_of_many_scans_is_read_once_and_block_by_block() -> None:
    """The densest pixel data there is: every second byte looks like the start of a marker."""
    scan = hostile.jpeg_of_scans(1)
    data = scan[:-2] + b"\xff\x00" * 4_000_000 + b"\xff\xd9"
    with Source(data) as source:
        tracemalloc.start()
        assert probe(source).scans == 2
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert source.bytes_read < 1.02 * len(data)
    assert peak < 1_000_000


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_of_a_usual_picture_little_is_read(format: str) -> None:
    noise = Image.effect_noise((900, 700), 90).convert("RGB")
    data = saved(noise, format)
    with Source(data) as source:
        probe(source)
    # A JPEG's end marker is looked for in the last block.
    assert source.bytes_read < 70_000 < len(data)


@pytest.mark.parametrize("size", [(50, 50), (640, 480), (4000, 3000)])
@pytest.mark.slow
def test_a_picture_of_one_colour_is_believed(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 30, 90))
    files = [saved(image, format) for format in ("JPEG", "PNG", "GIF", "BMP")]
    files += [saved(image.convert("1"), "PNG"), saved(image.convert("L"), "JPEG", quality=1)]
    files += [saved(image, "WEBP"), saved(image, "WEBP", lossless=True)]
    files += [saved(image, "JPEG", progressive=True, quality=1)]
    for data in files:
        assert probe(data, Limits(max_bytes=40_000_000)).size == f"{size[0]}x{size[1]}"


def test_a_small_picture_of_few_bytes_is_believed_and_a_large_one_is_not() -> None:
    assert probe(hostile.webp_of_few_bytes(1000, 1000)).width == 1000
    with pytest.raises(TooExpensive) as caught:
        probe(hostile.webp_of_few_bytes(4000, 3000))
    assert "4000x3000 pixels in 34 bytes" in caught.value.message


def test_a_tiff_is_refused_by_its_first_bytes() -> None:
    for head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        with Source(head + b"\xff" * 1_000_000) as source, pytest.raises(UnsupportedFormat):
            probe(source)
        assert source.bytes_read < 100


def test_the_decoders_own_limits_are_those_of_a_picture() -> None:
    import os

    warm_up()
    side = Limits().max_side
    assert os.environ["OPENCV_IO_MAX_IMAGE_WIDTH"] == str(side)
    assert os.environ["OPENCV_IO_MAX_IMAGE_HEIGHT"] == str(side)
    assert os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] == str(side * side)
    assert Image.MAX_IMAGE_PIXELS == side * side


def test_the_size_is_judged_before_anything_else_in_the_file() -> None:
    huge = hostile.png(width=16_000, height=16_000, pixels=b"")
    for data in (
        huge,
        huge[:40],
        hostile.bmp(16_000, 16_000, b""),
        hostile.jpeg_of_scans(999, 16_000, 9_000),
    ):
        with pytest.raises(ImageTooLarge):
            probe(data)
