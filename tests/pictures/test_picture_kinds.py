"""Every kind of picture becomes pixels; a damaged one gets a verdict and nothing else."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support.pictures import (
    FORMATS,
    HEIGHT,
    RED,
    WIDTH,
    assert_upright,
    corners,
    near,
    noise,
    saved,
)

from scai.errors import BadImage
from scai.pictures.pixels import decode, read_picture


@pytest.mark.parametrize("tail", [b"", b"xx"], ids=["fast way", "by Pillow"])
def test_an_orientation_outside_the_exif_block_turns_nothing(tail: bytes) -> None:
    """Both ways through the decoder believe the EXIF block alone, and tell what they did."""
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    plain = saved(corners(), "JPEG", quality=95)
    marked = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]
    picture = read_picture(marked + tail)
    assert picture.orientation == 1
    assert picture.pixels.shape == read_picture(plain).pixels.shape


def test_a_png_with_a_megabyte_of_text_is_read() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    assert decode(saved(noise(), "PNG", pnginfo=text)).shape == (120, 160, 3)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_does_not_refuse_the_picture() -> None:
    for exif in (b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 50):
        assert_upright(decode(saved(corners(), "JPEG", exif=exif)))


def palette_with_transparency() -> bytes:
    image = corners().quantize(8)
    return saved(image, "PNG", transparency=image.getpixel((5, 5)))


@pytest.mark.parametrize(
    ("data", "top_left"),
    [
        (saved(corners(), "JPEG", progressive=True), RED),
        (saved(corners(), "JPEG", quality=95, subsampling=0), RED),
        (saved(corners().convert("L"), "JPEG"), (80, 80, 80)),
        (saved(corners().convert("CMYK"), "JPEG"), RED),
        (saved(corners().convert("L"), "PNG"), (80, 80, 80)),
        (saved(corners().convert("1"), "PNG"), None),
        (saved(corners().quantize(8), "PNG"), RED),
        (palette_with_transparency(), (255, 255, 255)),
        (saved(Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
        (saved(Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 128)), "PNG"), (127, 127, 127)),
        (saved(Image.new("LA", (WIDTH, HEIGHT), (0, 0)), "PNG"), (255, 255, 255)),
        (saved(Image.new("RGBA", (WIDTH, HEIGHT), (9, 9, 9, 0)), "WEBP"), (255, 255, 255)),
        (saved(Image.new("I;16", (WIDTH, HEIGHT), 40_000), "PNG"), (156, 156, 156)),
        (saved(Image.new("I;16", (WIDTH, HEIGHT), 300), "PNG"), (1, 1, 1)),
        (saved(corners().quantize(8), "BMP"), RED),
        (saved(corners(), "GIF"), RED),
        (saved(corners(), "WEBP", lossless=True), RED),
    ],
)
def test_every_kind_of_picture_becomes_rgb(data: bytes, top_left: tuple | None) -> None:
    pixels = decode(data)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert top_left is None or near(pixels, 5, 5, top_left)


def test_an_interlaced_png_is_read() -> None:
    """Pillow writes none, so one is put together here: Adam7 of a 1x1 picture has one pass."""
    body = b"IHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)
    parts = [body, b"IDAT" + zlib.compress(b"\0" + bytes(RED)), b"IEND"]
    data = b"\x89PNG\r\n\x1a\n"
    for part in parts:
        data += struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
    assert decode(data).tolist() == [[list(RED)]]


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [corners(), Image.new("RGB", (WIDTH, HEIGHT))]
    for format in ("GIF", "WEBP"):
        data = saved(frames[0], format, save_all=True, append_images=frames[1:])
        assert near(decode(data), 5, 5, RED)


@pytest.mark.parametrize(
    "options",
    [{"format": f} for f in FORMATS]
    + [
        {"format": "JPEG", "progressive": True},
        {"format": "JPEG", "restart_marker_blocks": 4},
        {"format": "WEBP", "lossless": True},
    ],
    ids=str,
)
def test_a_picture_cut_off_anywhere_is_refused_and_nothing_else(options: dict) -> None:
    image = noise() if options["format"] == "JPEG" else noise(60, 40)
    data = saved(image, **options)
    step = max(1, len(data) // 300)
    cuts = [*range(64), *range(64, len(data) - 40, step)]
    if options["format"] == "JPEG":
        cuts = [
            *range(700),
            *range(700, len(data) - 40, step),
            *range(len(data) - 40, len(data)),
        ]
    for cut in cuts:
        with pytest.raises(BadImage) as caught:
            decode(data[:cut])
        assert caught.value.details["stage"] in ("format", "header", "decode")


def test_a_jpeg_cut_behind_the_end_of_its_thumbnail_is_refused() -> None:
    thumbnail = saved(Image.new("RGB", (8, 8)), "JPEG")
    data = saved(noise(), "JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = data[:2] + comment + data[2:]
    assert decode(whole).shape == (120, 160, 3)
    end = whole.index(b"\xff\xd9") + 2
    for cut in (end, end + 1, end + 400, len(whole) - 100):
        with pytest.raises(BadImage):
            decode(whole[:cut])


@pytest.mark.parametrize("format", FORMATS)
def test_bytes_behind_a_whole_picture_do_no_harm(format: str) -> None:
    data = saved(corners(), format)
    expected = decode(data)
    for tail in (b"\0" * 9, b"garbage" * 50, b"<?php exit; ?>", b"\xff\xd9"):
        assert np.array_equal(decode(data + tail), expected)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_flipped_bits_give_a_picture_or_a_verdict() -> None:
    rng = np.random.default_rng(5)
    for format in FORMATS:
        data = saved(noise(60, 40), format)
        for _ in range(60):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                broken[place] ^= int(rng.integers(1, 256))
            try:
                assert decode(bytes(broken)).ndim == 3
            except BadImage:
                pass


def test_the_fast_way_and_pillow_agree_on_jpeg() -> None:
    data = saved(noise(), "JPEG")
    fast, slow = decode(data), decode(data + b"\0")
    assert np.abs(fast.astype(int) - slow).max() <= 2


def closed_png(data: bytes) -> bytes:
    """A PNG whose pixels end early, with all of its chunks whole."""
    packed = data[data.index(b"IDAT") + 4 : -16]
    parts = [data[12:29], b"IDAT" + packed[: len(packed) // 2], b"IEND"]
    out = data[:8]
    for part in parts:
        out += struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
    return out


def closed_gif(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\0;"


def closed_webp(data: bytes) -> bytes:
    half = data[20 : 20 + len(data) // 4 * 2]
    body = b"WEBP" + data[12:16] + struct.pack("<I", len(half)) + half
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        closed_png(saved(noise(), "PNG")),
        closed_gif(saved(noise(), "GIF")),
        closed_webp(saved(noise(), "WEBP")),
        closed_webp(saved(noise(), "WEBP", lossless=True)),
    ],
    ids=["PNG", "GIF", "WebP", "lossless WebP"],
)
def test_a_picture_whose_pixels_end_early_is_refused_though_its_frame_is_whole(
    data: bytes,
) -> None:
    with pytest.raises(BadImage) as caught:
        decode(data)
    assert caught.value.details["stage"] == "decode"
