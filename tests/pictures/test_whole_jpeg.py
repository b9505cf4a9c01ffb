"""A JPEG gives a result only if all of its pixels were sent."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from support import hostile_pictures as hostile
from support.pictures import corners, noise, saved

from scai.errors import BadImage, UnsupportedFormat
from scai.pictures import _jpeg, _pillow
from scai.pictures.header import probe
from scai.pictures.pixels import decode, read_picture

END = b"\xff\xd9"
KINDS = [
    {"quality": 90},
    {"quality": 90, "progressive": True},
    {"quality": 90, "restart_marker_blocks": 4},
    {"quality": 95, "subsampling": 0, "optimize": True},
]


def cuts(data: bytes) -> list[int]:
    """Every byte of the headers and of the end, and every seventh between."""
    return [*range(700), *range(700, len(data) - 64, 7), *range(len(data) - 64, len(data))]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.slow
def test_a_jpeg_cut_off_and_closed_is_never_read_as_a_picture(options: dict, mode: str) -> None:
    data = saved(noise().convert(mode), "JPEG", **options)
    whole = decode(data)
    for cut in cuts(data):
        with pytest.raises(BadImage) as caught:
            decode(data[:cut])
        assert caught.value.status in (400, 415)
        try:
            # Only what lacks nothing but the padding of the last byte is still the same picture.
            assert np.array_equal(decode(data[:cut] + END), whole)
            assert cut > len(data) - 8
        except BadImage as error:
            assert error.details["stage"] in ("header", "decode", "format")


@pytest.mark.slow
@pytest.mark.parametrize("least", [None, (10, 10)])
def test_a_jpeg_cut_at_every_byte_is_refused(least: tuple[int, int] | None) -> None:
    for options in KINDS[:2]:
        data = saved(Image.effect_noise((100, 75), 90).convert("RGB"), "JPEG", **options)
        assert len(data) > 5_000
        for cut in range(len(data) - 8):
            for end in (b"", END):
                with pytest.raises(BadImage):
                    read_picture(data[:cut] + end, least=least)


def test_a_jpeg_that_is_cut_off_is_refused_by_the_portal_unless_it_is_closed() -> None:
    for options in KINDS:
        data = saved(noise(), "JPEG", **options)
        for cut in cuts(data)[:-1]:
            with pytest.raises(BadImage):
                probe(data[:cut])
        probe(data + b"\0" * 200_000)  # a few bytes too many are no harm


def test_a_progressive_jpeg_without_its_last_scans_is_refused_by_the_portal() -> None:
    data = saved(noise(), "JPEG", progressive=True)
    places = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    assert len(places) == 10
    for place in places:
        with pytest.raises(BadImage, match="cut off|no pixels"):
            probe(data[:place] + END)


def test_a_picture_of_three_scans_needs_all_three() -> None:
    """A sequential JPEG may have a scan for each component."""
    data = hostile.jpeg_of_planes((1, 1), (1, 1), (1, 1))
    info = probe(data)
    assert info.scans == 3 and not info.is_harmless
    assert decode(data).shape == (48, 48, 3)
    places = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    for place in places[1:]:
        with pytest.raises(BadImage):
            probe(data[:place] + END)


ODD = [
    ((3, 1), (1, 1), (1, 1)),
    ((2, 2), (2, 1), (1, 2)),
    ((4, 4), (1, 1), (1, 1)),
    ((2, 2), (2, 2), (2, 2)),
    ((1, 1), (2, 2), (1, 1)),
]


@pytest.mark.parametrize("planes", ODD, ids=str)
def test_colours_that_are_sampled_oddly_are_decoded_and_never_half_of_them(planes: tuple) -> None:
    data = hostile.jpeg_of_planes(*planes)
    assert not probe(data).is_harmless
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(data), expected)
    assert np.array_equal(decode(data + b"garbage"), expected)
    last = data.rindex(b"\xff\xda") + 10
    for cut in range(last, len(data) - 10, 13):
        with pytest.raises(BadImage):
            decode(data[:cut] + END)


def test_a_plain_jpeg_decoded_in_the_slow_way_is_never_half_of_one() -> None:
    for options in ({}, {"restart_marker_blocks": 1}, {"restart_marker_rows": 1}):
        data = saved(noise(), "JPEG", **options)
        whole = _pillow.decode_whole_jpeg(data, 1)
        for cut in range(700, len(data) - 8, 29):
            try:
                assert np.array_equal(_pillow.decode_whole_jpeg(data[:cut] + END, 1), whole)
            except (ValueError, OSError, BadImage):
                continue


def test_harmless_flaws_of_cameras_are_mended() -> None:
    """What is wrong stands before the pixels or behind them, and nothing of these is missing."""
    data = saved(noise(), "JPEG")
    whole = decode(data)
    scan = data.index(b"\xff\xda")
    parameters = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big") - 3
    version = data.index(b"JFIF\0") + 5
    table = data.index(b"\xff\xdb")
    flaws = {
        "zeros before the end": data[:-2] + b"\0\0\0" + END,
        "garbage behind the end": data + b"\0garbage",
        "no parameters of the scan": data[:parameters] + b"\0\0\0" + data[parameters + 3 :],
        "an unknown version": data[:version] + b"\2" + data[version + 1 :],
        "zeros between segments": data[:table] + b"\0\0\0" + data[table:],
        "fill bytes": data[:table] + b"\xff\xff" + data[table:],
    }
    two = data[:table] + b"\0" + data[table:-2] + b"\0" + END
    for name, flawed in {**flaws, "two of them": two}.items():
        assert np.array_equal(decode(flawed), whole), name
        # None of them lets a picture pass whose pixels are missing.
        for cut in (len(flawed) // 2, len(flawed) - 100):
            with pytest.raises(BadImage):
                decode(flawed[:cut] + END)
            with pytest.raises(BadImage):
                decode(flawed[:cut] + b"\0\0\0" + END)


def test_metadata_is_left_out_for_the_slow_way_and_the_picture_stays() -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    data = saved(noise(), "JPEG", exif=exif, comment=b"secret", icc_profile=b"secret" * 9)
    plain = _jpeg.without_metadata(data)
    assert b"secret" in data and b"Exif" in data
    assert b"secret" not in plain and b"Exif" not in plain
    assert np.array_equal(decode(plain), decode(data))


def test_only_usual_kinds_of_jpeg_are_taken() -> None:
    data = saved(corners(), "JPEG")
    place = data.index(b"\xff\xc0") + 1
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        with pytest.raises(UnsupportedFormat):
            probe(data[:place] + bytes([marker]) + data[place + 1 :])
    twelve_bits = data[: place + 3] + b"\x0c" + data[place + 4 :]
    with pytest.raises(UnsupportedFormat):
        probe(twelve_bits)
    for marker in (0x02, 0xBF, 0xC8, 0xD8, 0xDE, 0xDF, 0xF0, 0xFD):
        with pytest.raises(BadImage):
            probe(data[:place] + bytes([marker]) + data[place + 1 :])
