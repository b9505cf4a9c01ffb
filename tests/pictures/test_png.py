"""PNG files hold the very pixels, and every byte around them is what the standard asks for."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from scai.pictures import pixels, png

STRIP = png.STRIP_BYTES


def smooth(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], -1).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def flat(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 200, np.uint8)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of each chunk, as a strict reader sees them."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, []
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert len(body) == length
        (crc,) = struct.unpack_from(">I", data, place + 8 + length)
        assert crc == zlib.crc32(name + body)
        found.append((name, body))
        place += 12 + length
    assert place == len(data)
    return found


SIZES = [
    (1, 1),
    (1, 2),
    (2, 1),
    (3, 5),
    (1, 16_384),
    (16_384, 1),
    (37, 641),
    (STRIP // 301 + 1, 100),  # the second strip has one row
    (STRIP // 301, 100),  # a single, full strip
]


BOTH_ENCODERS = pytest.mark.parametrize("with_isal", [True, False], ids=["isal", "opencv"])


@BOTH_ENCODERS
@pytest.mark.parametrize("picture", [smooth, noise, flat])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_reader_gets_the_same_pixels_back(with_isal: bool, size, picture) -> None:
    image = picture(*size)
    before = image.copy()
    data = pixels.encode_png(image, with_isal=with_isal)
    assert np.array_equal(image, before)
    with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
        assert opened.mode == "RGB" and opened.size == size[::-1]
        assert np.array_equal(np.asarray(opened), image)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), image)


@pytest.mark.parametrize("picture", [smooth, noise, flat])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_strict_reader_has_nothing_to_object_to(size, picture) -> None:
    height, width = size
    (first, header), (second, body), last = chunks(pixels.encode_png(picture(*size)))
    assert (first, second, last) == (b"IHDR", b"IDAT", (b"IEND", b""))
    assert header == struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    stream = zlib.decompressobj()
    rows = stream.decompress(body) + stream.flush()
    assert stream.eof and not stream.unused_data
    assert len(rows) == height * (1 + 3 * width)
    assert set(rows[:: 1 + 3 * width]) <= set(range(5))


def test_rows_longer_than_a_strip_are_whole() -> None:
    image = noise(7, 50)
    assert np.array_equal(pixels.decode(png.encode(image, strip_bytes=100)), image)


def test_the_filter_goes_with_the_picture() -> None:
    """Stripes across are nothing beside their upper or left neighbour; the better is taken."""
    stripes = np.repeat(noise(1, 400), 300, axis=0)
    across, down = pixels.encode_png(stripes), pixels.encode_png(stripes.transpose(1, 0, 2))
    assert max(len(across), len(down)) < stripes.nbytes / 50


def test_a_view_of_a_picture_is_encoded_as_it_looks() -> None:
    view = noise(40, 60)[::-2, 5:-3, ::-1]
    with Image.open(io.BytesIO(pixels.encode_png(view))) as opened:
        assert np.array_equal(np.asarray(opened), view)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
    ids=str,
)
@BOTH_ENCODERS
def test_what_is_no_picture_is_named_and_not_encoded(with_isal: bool, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected .* uint8"):
        pixels.encode_png(array, with_isal=with_isal)
