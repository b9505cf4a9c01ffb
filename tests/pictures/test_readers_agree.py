"""Our readers of headers say what the decoders say, of every kind of picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import hostile_pictures as hostile
from support.pictures import corners, noise, saved

from scai.errors import BadImage, UnsupportedFormat
from scai.pictures import _exif
from scai.pictures.header import probe
from scai.pictures.pixels import decode, read_picture

MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("L", "RGB", "RGBA"),
    "GIF": ("L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}
CASES = [(format, mode) for format, modes in MODES.items() for mode in modes]
SIZES = [(1, 1), (7, 3), (8, 8), (65, 130)]


@pytest.mark.parametrize(("format", "mode"), CASES)
def test_size_and_pixel_type_are_the_decoders(format: str, mode: str) -> None:
    for size in SIZES:
        image = Image.new("L", size, 90) if mode == "I;16" else Image.new("RGB", size, (90, 9, 200))
        data = saved(image.convert(mode), format)
        info = probe(data)
        with Image.open(io.BytesIO(data)) as opened:
            assert (info.width, info.height) == opened.size
            if format in ("JPEG", "PNG"):
                assert info.mode == opened.mode
        assert decode(data).shape == (size[1], size[0], 3)


def test_a_png_of_every_depth_is_named_as_the_decoder_names_it() -> None:
    for bits in (1, 2, 4, 8):
        data = saved(noise().quantize(1 << bits), "PNG", bits=bits)
        assert data[24] == bits and probe(data).mode == "P"
        assert decode(data).shape == (120, 160, 3)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_scans_are_counted(subsampling: str, progressive: bool) -> None:
    data = saved(noise(), "JPEG", subsampling=subsampling, progressive=progressive)
    assert probe(data).scans == (10 if progressive else 1)
    assert probe(saved(noise().convert("L"), "JPEG", progressive=True)).scans == 6


def test_a_bmp_upside_down_and_one_of_os2_are_read() -> None:
    data = bytearray(saved(corners(), "BMP"))
    data[22:26] = (-24).to_bytes(4, "little", signed=True)
    assert probe(bytes(data)).size == "40x24"
    assert np.array_equal(decode(bytes(data)), decode(saved(corners(), "BMP"))[::-1])
    os2 = (
        b"BM" + b"\0" * 8 + (26).to_bytes(4, "little") + b"\x0c\0\0\0\2\0\1\0\1\0\x18\0" + b"\7" * 8
    )
    assert probe(os2).size == "2x1"
    assert decode(os2).tolist() == [[[7, 7, 7]] * 2]


def test_a_bmp_that_holds_another_format_is_refused() -> None:
    for packing in (4, 5):
        with pytest.raises(UnsupportedFormat):
            probe(hostile.bmp(8, 8, saved(corners(), "JPEG"), 24, packing))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("prefix", [b"", _exif.PREFIX])
def test_the_orientation_is_found_in_both_byte_orders(order: str, prefix: bytes) -> None:
    def number(value: int, size: int = 2) -> bytes:
        return value.to_bytes(size, order)

    def block(value: int, kind: int, size: int, count: int = 1) -> bytes:
        entry = (
            number(0x0112) + number(kind) + number(count, 4) + number(value, size).ljust(4, b"\0")
        )
        other = number(0x010F) + number(2) + number(4, 4) + b"abc\0"
        head = (b"II*\0" if order == "little" else b"MM\0*") + number(10, 4) + b"\0\0"
        return prefix + head + number(2) + other + entry

    for kind, size in ((1, 1), (3, 2), (4, 4)):
        for value in range(1, 9):
            assert _exif.orientation(block(value, kind, size)) == value
        for value in (0, 9, 255):
            assert _exif.orientation(block(value, kind, size)) == 1
    assert _exif.orientation(block(6, 3, 2, count=2)) == 1
    assert _exif.orientation(block(6, 2, 2)) == 1
    whole = block(6, 3, 2)
    # The last bytes pad the value.
    for cut in range(len(whole) - 2):
        assert _exif.orientation(whole[:cut]) == 1


def test_a_directory_that_points_anywhere_takes_no_time() -> None:
    for start in (0, 4, 8, 60_000, 0xFFFFFFFF):
        head = b"II*\0" + start.to_bytes(4, "little")
        assert _exif.orientation(head + b"\xff" * 60_000) == 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_only_the_first_exif_block_counts(format: str) -> None:
    def tiff(value: int) -> bytes:
        return b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + bytes([value, 0, 0, 0])

    if format == "JPEG":
        blocks = (hostile.segment(0xE1, _exif.PREFIX + tiff(value)) for value in (3, 6))
        plain = saved(corners(), "JPEG")
        data = plain[:2] + b"".join(blocks) + plain[2:]
    elif format == "PNG":
        data = hostile.png(*(hostile.png_chunk(b"eXIf", tiff(value)) for value in (3, 6)))
    else:
        still = saved(corners(), "WEBP")
        size = int.from_bytes(still[16:20], "little")
        chunks = [(b"EXIF", tiff(3)), (b"EXIF", tiff(6))]
        picture = (still[12:16], still[20 : 20 + size])
        data = hostile.webp(hostile.webp_canvas(40, 24, 0x08), picture, *chunks)
    assert probe(data).orientation == 3
    assert read_picture(data).orientation == 3


def test_exif_behind_the_pixels_of_a_png_counts() -> None:
    plain = hostile.png(width=4, height=2)
    tiff = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"
    data = plain[:-12] + hostile.png_chunk(b"eXIf", tiff) + plain[-12:]
    assert read_picture(data).pixels.shape == (4, 2, 3)


@pytest.mark.parametrize("format", MODES)
def test_a_file_and_its_bytes_are_judged_alike(format: str, tmp_path: Path) -> None:
    data = saved(noise(), format)
    file = tmp_path / "picture"
    for end in (len(data), len(data) // 2, 20, 3):
        file.write_bytes(data[:end])
        answers = []
        for source in (data[:end], file):
            try:
                answers.append(str(probe(source)))
            except BadImage as error:
                answers.append(str(error.to_dict()))
        assert answers[0] == answers[1]
