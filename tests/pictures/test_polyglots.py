"""A file that is two things at once, or not what its name says, reaches one parser or none."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import hostile_pictures as hostile
from support.pictures import FORMATS, corners, saved

from scai.errors import BadImage, UnsupportedFormat
from scai.pictures.header import probe
from scai.pictures.pixels import decode
from scai.settings import ROOT

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
PSD = b"8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\7\0\0\0\7\0\x08\0\3" + bytes(40)
FITS = b"SIMPLE  =                    T" + b" " * 2850


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr("picture.jpg", saved(corners(), "JPEG"))
    return out.getvalue()


STRANGERS = {
    "pdf": PDF,
    "eps": EPS,
    "eps with a preview": b"\xc5\xd0\xd3\xc6" + bytes(26) + EPS,
    "svg": SVG,
    "psd": PSD,
    "fits": FITS,
    "tiff": saved(corners(), "TIFF"),
    "ico": saved(corners(), "ICO"),
    "tga": saved(corners(), "TGA"),
    "pcx": saved(corners(), "PCX"),
    "icns": b"icns" + bytes(60),
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "avif": b"\0\0\0\x1cftypavif" + bytes(40),
    "zip": archive(),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strange_format_is_refused_alone_and_before_or_behind_a_picture(name: str) -> None:
    stranger = STRANGERS[name]
    for data in (stranger, stranger + saved(corners(), "JPEG"), b"\n" + stranger):
        for read in (probe, decode):
            with pytest.raises(UnsupportedFormat):
                read(data)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", STRANGERS)
def test_of_a_picture_with_something_behind_it_only_the_picture_is_seen(
    name: str, format: str
) -> None:
    data = saved(corners(), format)
    assert np.array_equal(decode(data + STRANGERS[name]), decode(data))


@pytest.mark.parametrize("first", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
@pytest.mark.parametrize("name", STRANGERS)
def test_the_first_bytes_of_a_picture_open_no_other_format(name: str, first: bytes) -> None:
    for data in (first + STRANGERS[name], first + STRANGERS[name][len(first) :]):
        with pytest.raises(BadImage):
            decode(data)


def test_a_picture_inside_another_formats_chunk_is_not_seen() -> None:
    jpeg = saved(corners(), "JPEG")
    plain = hostile.png(width=4, height=4)
    hidden = hostile.png(hostile.png_chunk(b"teXt", jpeg), width=4, height=4)
    assert np.array_equal(decode(hidden), decode(plain))
    webp = saved(corners(), "WEBP")
    with pytest.raises(BadImage):
        decode(webp[:12] + jpeg)


def test_a_name_decides_nothing(tmp_path: Path) -> None:
    for suffix in (".eps", ".psd", ".pdf", ".svg", ".fits", ".tif", ".jpg", ""):
        file = tmp_path / f"picture{suffix}"
        file.write_bytes(saved(corners(), "GIF"))
        assert probe(file).format == "GIF"
        file.write_bytes(EPS)
        with pytest.raises(UnsupportedFormat):
            probe(file)


def test_no_parser_of_another_format_is_ever_loaded(tmp_path: Path) -> None:
    """Neither by the portal, which loads no decoder at all, nor by a worker."""
    files = {f"{format}.bin": saved(corners(), format) for format in FORMATS}
    files |= {f"{name}.bin": data for name, data in STRANGERS.items()}
    files["cmyk.bin"] = saved(corners().convert("CMYK"), "JPEG")
    files["mixed.bin"] = b"\x89PNG\r\n\x1a\n" + EPS
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 6, {0x9286: b"comment"}
    files |= {f"exif{f}.bin": saved(corners(), f, exif=exif) for f in ("JPEG", "PNG", "WEBP")}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code = """
import sys
from pathlib import Path
from scai.errors import BadImage
from scai.pictures.header import probe

def each(read):
    good = 0
    for file in sorted(Path(sys.argv[1]).iterdir()):
        try:
            read(file.read_bytes())
            good += 1
        except BadImage:
            pass
    return good

assert each(probe) == 9
assert not [name for name in sys.modules if name.split(".")[0] in ("PIL", "cv2", "numpy")]
from scai.pictures.pixels import decode
assert each(decode) == 9
print(*sorted(n for n in sys.modules if n.startswith("PIL.") and n.endswith("Plugin")))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    own = {f"PIL.{name}ImagePlugin" for name in ("Jpeg", "Png", "WebP", "Bmp", "Gif")}
    assert set(child.stdout.split()) <= own


def test_all_decoders_can_be_loaded_before_files_are_out_of_reach(tmp_path: Path) -> None:
    """A sandbox may then take every file away: decoding imports nothing more."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for format in FORMATS:
        for mode in ("RGB", "P", "RGBA", "LA", "CMYK", "I;16", "1"):
            image = corners().convert("L").convert(mode) if mode != "RGB" else corners()
            with contextlib.suppress(OSError, ValueError):  # a format without such pixels
                data = saved(image, format, exif=exif)
                (tmp_path / f"{format} {mode}").write_bytes(data)
                (tmp_path / f"{format} {mode} cut").write_bytes(data[:-40])
    assert len(list(tmp_path.iterdir())) > 30
    code = """
import sys
from contextlib import suppress
from pathlib import Path
from scai.errors import BadImage
from scai.pictures.pixels import decode, warm_up

files = [file.read_bytes() for file in Path(sys.argv[1]).iterdir()]
warm_up()
before = set(sys.modules)
for data in files:
    with suppress(BadImage):
        decode(data)
print(*set(sys.modules) - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (child.returncode, child.stdout.split()) == (0, []), child.stderr
