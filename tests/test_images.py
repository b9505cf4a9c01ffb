"""Pictures of every kind come out upright; whatever is none is refused, and in time."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from scai.errors import BadImage, ImageTooLarge, UnsupportedFormat
from scai.images import Limits, probe
from scai.pixels import decode, fit_within, letterbox, letterbox_inner, read_picture, resize

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
WIDTH, HEIGHT = 40, 24
RED, GREEN, BLUE, GREY = (220, 20, 20), (20, 200, 20), (20, 20, 220), (128, 128, 128)


def corners() -> Image.Image:
    """Red, green, blue and grey quarters, so that every turn and flip shows."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for color, x, y in ((RED, 0, 0), (GREEN, 1, 0), (BLUE, 0, 1), (GREY, 1, 1)):
        image.paste(color, (x * WIDTH // 2, y * HEIGHT // 2, (x + 1) * WIDTH // 2, HEIGHT))
    image.paste(BLUE, (0, HEIGHT // 2, WIDTH // 2, HEIGHT))
    image.paste(GREY, (WIDTH // 2, HEIGHT // 2, WIDTH, HEIGHT))
    return image


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def noise(width: int = 160, height: int = 120) -> Image.Image:
    coarse = np.random.default_rng(3).integers(0, 256, (height // 5, width // 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height))


def near(pixels: np.ndarray, x: int, y: int, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixels[y, x].astype(int) - color).max() < 30)


def assert_upright(pixels: np.ndarray) -> None:
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert near(pixels, 5, 5, RED) and near(pixels, WIDTH - 6, 5, GREEN)
    assert near(pixels, 5, HEIGHT - 6, BLUE) and near(pixels, WIDTH - 6, HEIGHT - 6, GREY)


# -- what the header says ---------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_probe_tells_format_and_size_of_bytes_and_files(format: str, tmp_path: Path) -> None:
    data = saved(corners(), format)
    file = tmp_path / "picture.of.another.suffix"
    file.write_bytes(data)
    for source in (data, file, str(file)):
        info = probe(source)
        assert (info.format, info.width, info.height) == (format, WIDTH, HEIGHT)
        assert info.bytes == len(data)
    assert info.suffix == {"JPEG": ".jpg"}.get(format, f".{format.lower()}")


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"exact": True}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_probe_measures_every_kind_of_webp(options: dict, mode: str) -> None:
    data = saved(corners().convert(mode), "WEBP", **options)
    assert (probe(data).width, probe(data).height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"%PDF-1.7\n",
        b"8BPS\x00\x01",
        saved(corners(), "TIFF"),
        saved(corners(), "PPM"),
        saved(corners(), "ICO"),
        b"GIF88a" + b"\0" * 40,
        b"PK\x03\x04",
        b"\xff\xd8",
    ],
)
def test_what_is_not_on_the_list_of_formats_reaches_no_parser(data: bytes) -> None:
    for read in (probe, decode):
        with pytest.raises(UnsupportedFormat) as caught:
            read(data)
        assert caught.value.status == 415
        assert caught.value.details["stage"] == "format"


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    return start + struct.pack(">I", zlib.crc32(body)) + struct.pack(">I", 9) + b"IDAT" + b"\0" * 20


def jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("RGB", (8, 8)), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_header(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("P", (8, 8)), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def gif_with_a_large_frame(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("P", (8, 8)), "GIF"))
    place = data.rindex(b",\0\0\0\0") + 5
    data[place : place + 4] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_header(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("RGB", (8, 8)), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_header(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + b"\0" * 20
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize("size", [(16_000, 16_000), (60_000, 60_000), (10_000, 5_001), (20_000, 1)])
@pytest.mark.parametrize(
    "bomb",
    [png_header, jpeg_header, gif_header, gif_with_a_large_frame, bmp_header, webp_header],
)
def test_a_bomb_is_refused_at_once_and_without_memory(bomb, size: tuple[int, int]) -> None:
    data = bomb(*size)
    probe(saved(corners(), "PNG"))  # whatever is loaded at the first call
    tracemalloc.start()
    start = time.perf_counter()
    for read in (probe, decode):
        with pytest.raises(ImageTooLarge) as caught:
            read(data)
    took = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status == 413
    assert {"stage", "limit"} <= caught.value.details.keys()
    assert took < 0.1 and peak < 1_000_000


def test_every_limit_names_its_setting() -> None:
    data = saved(noise(), "PNG")
    for limits, setting in (
        (Limits(max_bytes=100), "max_upload_mb"),
        (Limits(max_pixels=160 * 120 - 1), "max_megapixels"),
        (Limits(max_side=159), None),  # no setting: the decoders' own limit
    ):
        with pytest.raises(ImageTooLarge) as caught:
            probe(data, limits)
        assert caught.value.details.get("setting") == setting
    exact = Limits(max_bytes=len(data), max_pixels=160 * 120, max_side=160)
    assert probe(data, exact).width == 160


def test_probing_loads_no_opencv() -> None:
    code = "import sys, scai.images; sys.exit('cv2' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
    )


# -- pixels -----------------------------------------------------------------------------------


# The picture as a camera held that way stores it: the inverse of what EXIF asks for.
TURNS = {
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}


def as_stored(image: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    for turn in TURNS.get(orientation, []):
        image = image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image, exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_all_eight_orientations_come_out_upright(format: str, orientation: int, mode: str) -> None:
    if mode == "CMYK" and format != "JPEG":
        return
    stored, exif = as_stored(corners(), orientation)
    options = {"lossless": True} if format == "WEBP" else {}
    picture = read_picture(saved(stored.convert(mode), format, exif=exif, **options))
    assert_upright(picture.pixels)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert picture.orientation == orientation


# -- fewer pixels, where fewer are needed -----------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_is_reduced_upright_and_tells_its_whole_size(orientation: int, mode: str) -> None:
    whole = noise(403, 202)
    stored, exif = as_stored(whole.convert(mode), orientation)
    data = saved(stored, "JPEG", exif=exif, quality=95)
    # Upright the height is the bottleneck, however the picture lies in the file.
    picture = read_picture(data, least=(100, 100))
    assert picture.pixels.shape == (101, 202, 3)
    assert (picture.width, picture.height) == (403, 202)
    assert picture.orientation == orientation
    expected = resize(decode(data), 101, 202, method="area").astype(int)
    assert np.abs(expected - picture.pixels).mean() < 15  # turned wrongly: 44


@pytest.mark.parametrize(
    ("least", "shape"),
    [
        (None, (203, 403)),
        ((102, 10), (203, 403)),  # a half would be half a pixel short
        ((101, 201), (102, 202)),
        ((50, 100), (51, 101)),
        ((25, 50), (26, 51)),
        ((1, 1), (26, 51)),  # no decoder goes below an eighth
        ((1000, 1000), (203, 403)),
    ],
)
def test_no_side_gets_shorter_than_was_asked_for(least, shape: tuple[int, int]) -> None:
    picture = read_picture(saved(noise(403, 203), "JPEG"), least=least)
    assert picture.pixels.shape == (*shape, 3)
    assert (picture.width, picture.height) == (403, 203)


@pytest.mark.parametrize(
    "data",
    [saved(noise(), f) for f in FORMATS if f != "JPEG"]
    + [saved(noise().convert("CMYK"), "JPEG"), saved(noise(), "JPEG") + b"xx"],
    ids=lambda data: data[:4],
)
def test_only_plain_jpegs_are_reduced(data: bytes) -> None:
    picture = read_picture(data, least=(10, 10))
    assert picture.pixels.shape == (120, 160, 3)
    assert (picture.width, picture.height) == (160, 120)


def test_a_damaged_jpeg_is_refused_at_any_size() -> None:
    data = saved(noise(), "JPEG", quality=95)
    for cut in (200, 800, len(data) - 50):
        with pytest.raises(BadImage):
            read_picture(data[:cut], least=(8, 8))


# -- every kind of picture --------------------------------------------------------------------


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


# -- sizes ------------------------------------------------------------------------------------


def test_letterbox_keeps_the_shape_in_the_top_left_corner() -> None:
    boxed = letterbox(np.full((10, 20, 3), 255, np.uint8), 16, 16)
    assert boxed.shape == (16, 16, 3)
    assert letterbox_inner(10, 20, 16, 16) == (8, 16)
    assert (boxed[:8] == 255).all() and (boxed[8:] == 128).all()


@pytest.mark.parametrize("method", ["bilinear", "area", "tf1", "letterbox"])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 64)])
def test_every_method_gives_the_size_asked_for(method: str, size: tuple[int, int]) -> None:
    image = np.asarray(noise())
    before = image.copy()
    assert resize(image, *size, method=method).shape == (*size, 3)
    assert np.array_equal(image, before)


def test_fit_within_reduces_and_never_enlarges() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert fit_within(image, 50).shape == (25, 50, 3)
    assert fit_within(image, 200) is image
    assert fit_within(np.zeros((1, 4000, 3), np.uint8), 100).shape == (1, 100, 3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(7, 9), (48, 64), (299, 299), (120, 160)])
def test_tf1_resize_is_what_tf1_does(size: tuple[int, int]) -> None:
    from tiny_models import tensorflow

    tf = tensorflow()
    image = np.asarray(noise())
    expected = tf.compat.v1.image.resize_bilinear(image[None].astype(np.float32), size)[0].numpy()
    assert np.abs(resize(image, *size, method="tf1") - expected).max() < 1e-3
