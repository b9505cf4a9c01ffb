"""Pictures come out upright and of the size asked for; what is too large is refused in time."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import FORMATS, HEIGHT, WIDTH, assert_upright, corners, noise, saved

from scai.errors import BadImage, ImageTooLarge, OutOfResources, UnsupportedFormat
from scai.pictures.header import Limits, probe
from scai.pictures.pixels import (
    decode,
    decoder_errors,
    fit_within,
    letterbox,
    letterbox_inner,
    read_picture,
    resize,
)


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
    start = time.process_time()
    for read in (probe, decode):
        with pytest.raises(ImageTooLarge) as caught:
            read(data)
    took = time.process_time() - start
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
    code = "import sys, scai.pictures.header; sys.exit('cv2' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
    )


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
    [saved(noise(), f) for f in FORMATS if f != "JPEG"] + [saved(noise().convert("CMYK"), "JPEG")],
    ids=lambda data: data[:4],
)
def test_only_jpegs_in_grey_or_colour_are_reduced(data: bytes) -> None:
    picture = read_picture(data, least=(10, 10))
    assert picture.pixels.shape == (120, 160, 3)
    assert (picture.width, picture.height) == (160, 120)


def test_a_damaged_jpeg_is_refused_at_any_size() -> None:
    data = saved(noise(), "JPEG", quality=95)
    for cut in (200, 800, len(data) - 50):
        with pytest.raises(BadImage):
            read_picture(data[:cut], least=(8, 8))


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
    from support.tiny_models import tensorflow

    tf = tensorflow()
    image = np.asarray(noise())
    expected = tf.compat.v1.image.resize_bilinear(image[None].astype(np.float32), size)[0].numpy()
    assert np.abs(resize(image, *size, method="tf1") - expected).max() < 1e-3


def memory_error_of_python() -> None:
    bytearray(1 << 62)


def memory_error_of_opencv() -> None:
    resize(np.zeros((2, 2, 3), np.uint8), 1 << 20, 1 << 20)


@pytest.mark.parametrize("allocate", [memory_error_of_python, memory_error_of_opencv])
def test_a_lack_of_memory_is_not_told_as_the_fault_of_the_picture(
    allocate: Callable[[], None],
) -> None:
    with pytest.raises(OutOfResources) as caught, decoder_errors(probe(saved(noise(), "PNG"))):
        allocate()
    assert (caught.value.code, caught.value.details) == ("resources", {"stage": "decode"})
