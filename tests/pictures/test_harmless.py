"""What a look at the headers calls harmless is decoded in one pass, in the memory that was said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support import hostile_pictures as hostile
from support.pictures import FORMATS, corners, noise, saved

from scai.errors import BadImage
from scai.pictures.header import probe
from scai.pictures.pixels import decode
from scai.settings import ROOT

END = b"\xff\xd9"


def test_the_photos_of_cameras_are_harmless() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({}, {"exif": exif}, {"optimize": True}, {"restart_marker_blocks": 4}):
        assert probe(saved(noise(), "JPEG", **options)).is_harmless
    assert probe(saved(noise().convert("L"), "JPEG")).is_harmless


def test_everything_else_is_not() -> None:
    for format in FORMATS[1:]:
        assert not probe(saved(noise(), format)).is_harmless
    assert not probe(saved(noise(), "JPEG", progressive=True)).is_harmless
    assert not probe(saved(noise().convert("CMYK"), "JPEG")).is_harmless
    assert not probe(saved(Image.new("L", (5000, 4000)), "JPEG")).is_harmless
    assert not probe(saved(noise(), "JPEG") + bytes(8_000_000)).is_harmless


def with_marker(data: bytes, marker: int) -> bytes:
    place = data.index(b"\xff\xc0") + 1
    return data[:place] + bytes([marker]) + data[place + 1 :]


def disguises() -> dict[str, bytes]:
    """JPEGs that look plain at first, with something dear behind."""
    plain, dear = saved(corners(), "JPEG"), hostile.jpeg_of_scans(90, 40, 24)
    frame, scan = plain.index(b"\xff\xc0"), plain.index(b"\xff\xda")
    second = hostile.segment(0xC2, b"\x08\0\x18\0\x28\1\1\x11\0")
    body = dear[2:]
    return {
        "a second frame before the scan": plain[:scan] + second + plain[scan:],
        "a second frame before the first": plain[:frame] + second + plain[frame:],
        "a second frame behind the scan": plain[:-2] + second + body,
        "scans behind the scan": plain[:-2] + body[body.index(b"\xff\xda") :],
        "a picture behind the start": plain[:2] + dear + plain[2:],
        "a picture in a comment": plain[:2] + hostile.segment(0xFE, dear) + plain[2:],
        "a picture behind the end": plain + dear,
        "a frame in fill bytes": plain[:frame] + b"\xff" * 9 + second + plain[frame:],
        "a frame in garbage": plain[:frame] + b"\0" + second + plain[frame:],
        "arithmetic codes": with_marker(plain, 0xC9),
        "a scan of another component": plain[:scan]
        + hostile.segment(0xDA, b"\3\1\0\2\x11\2\x11\0\x3f\0")
        + plain[scan + 14 :],
        "a progressive frame": with_marker(plain, 0xC2),
    }


@pytest.mark.parametrize("name", disguises())
def test_no_disguise_is_called_harmless_and_then_decoded_in_more_than_one_pass(name: str) -> None:
    data = disguises()[name]
    try:
        info = probe(data)
    except BadImage:
        return  # no decoder sees it
    if not info.is_harmless:
        return
    assert info.scans == 1
    # The decoder may refuse it, or it sees the plain picture and nothing of what is hidden.
    try:
        pixels = decode(data)
    except BadImage:
        return
    assert pixels.tolist() == decode(saved(corners(), "JPEG")).tolist()


def test_a_hidden_picture_costs_the_decoder_nothing() -> None:
    """The harmless look covers all that the decoder sees: without the disguise's tail, the same."""
    found = {name: data for name, data in disguises().items() if is_harmless(data)}
    assert {"a picture in a comment", "a picture behind the end"} <= found.keys()
    assert "a progressive frame" not in found and "arithmetic codes" not in found


def is_harmless(data: bytes) -> bool:
    try:
        return probe(data).is_harmless
    except BadImage:
        return False


# Memory that decoding took at its peak, in bytes, beside what the program had before.
MEASURE = """
import sys
from collections.abc import Callable
from pathlib import Path
from scai.pictures.header import probe
from scai.pictures.pixels import read_picture

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

small, data = (Path(name).read_bytes() for name in sys.argv[1:])
read_picture(small)  # whatever is loaded at the first call
before = peak()
info = probe(data)
read_picture(data)
print(peak() - before, info.decode_bytes)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "format", "options"),
    [
        ("RGB", "JPEG", {"orientation": 6}),
        ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
        ("RGB", "JPEG", {"progressive": True}),
        ("L", "JPEG", {"orientation": 6}),
        ("CMYK", "JPEG", {"orientation": 6, "progressive": True}),
        ("1", "PNG", {}),
        ("L", "PNG", {"orientation": 6}),
        ("P", "PNG", {"transparency": 0, "orientation": 6}),
        ("LA", "PNG", {}),
        ("I;16", "PNG", {"orientation": 6}),
        ("RGB", "PNG", {"orientation": 6}),
        ("RGBA", "PNG", {"orientation": 6}),
        ("RGB", "WEBP", {}),
        ("RGBA", "WEBP", {"orientation": 6, "lossless": True}),
        ("P", "GIF", {}),
        ("P", "GIF", {"transparency": 0}),
        ("RGB", "BMP", {}),
        ("RGBA", "BMP", {}),
        ("L", "BMP", {}),
    ],
    ids=str,
)
def test_decoding_needs_no_more_memory_than_was_said(
    mode: str, format: str, options: dict, tmp_path: Path
) -> None:
    options = dict(options)
    if "orientation" in options:
        exif = Image.Exif()
        exif[0x0112] = options.pop("orientation")
        options["exif"] = exif
    coarse = Image.effect_noise((200, 150), 60).resize((2000, 1500))
    picture = coarse.convert("RGB").convert(mode) if mode != "I;16" else coarse.convert("I;16")
    for name, image in (("small", picture.resize((50, 40))), ("large", picture)):
        (tmp_path / name).write_bytes(saved(image, format, **options))
    took, said = measured(tmp_path)
    assert took <= said <= 6 * took + 10_000_000


def measured(folder: Path) -> tuple[int, int]:
    """Bytes that decoding took, and that were said, for the files `small` and `large`."""
    command = [sys.executable, "-c", MEASURE, str(folder / "small"), str(folder / "large")]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    took, said = map(int, child.stdout.split())
    return took, said


def animated(side: int, format: str) -> bytes:
    frames = [Image.effect_noise((side, side), 60).convert("RGB") for _ in range(2)]
    return saved(frames[0], format, save_all=True, append_images=frames[1:])


def runs(side: int) -> bytes:
    """A BMP of runs of one colour."""
    row = b"\xff\x07" * (side // 255) + bytes((side % 255, 7)) + b"\0\0"
    return hostile.bmp(side, side, row * side + b"\0\1", 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda side: animated(side, "WEBP"),
        lambda side: animated(side, "GIF"),
        lambda side: animated(side, "PNG"),
        runs,
        lambda side: hostile.jpeg_of_planes((2, 2), (2, 1), (1, 2), side=side),
        lambda side: hostile.jpeg_of_planes((2, 2), (2, 2), (2, 2), side=side),
    ],
    ids=["WebP", "GIF", "PNG", "BMP of runs", "odd JPEG", "JPEG of equal samplings"],
)
def test_animations_and_odd_pictures_need_no_more_either(
    make: Callable[[int], bytes], tmp_path: Path
) -> None:
    for name, side in (("small", 40), ("large", 1500)):
        (tmp_path / name).write_bytes(make(side))
    took, said = measured(tmp_path)
    assert took <= said


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from scai.errors import OutOfResources
from scai.pictures.pixels import read_picture

small, large = ([Path(f"{sys.argv[1]}/{n}{i}").read_bytes() for i in range(5)] for n in "sl")
for data in small:
    read_picture(data)  # whatever is loaded at the first call
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for data in large:
    try:
        read_picture(data)
    except OutOfResources as error:
        print(error.code)
"""


@pytest.mark.slow
def test_a_failure_for_want_of_memory_is_told_as_that(tmp_path: Path) -> None:
    """Decoders tell it by the same errors as damage, so the memory is asked for once more."""
    large = Image.effect_noise((300, 200), 9).resize((2000, 1500)).convert("RGB")
    for i, format in enumerate(FORMATS):
        (tmp_path / f"l{i}").write_bytes(saved(large, format))
        (tmp_path / f"s{i}").write_bytes(saved(corners(), format))
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(tmp_path)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert child.stdout.split() == ["resources"] * 5, child.stderr
