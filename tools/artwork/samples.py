"""Draw the sample photos of the home page, so that no one else owns them.

Run by hand with `python -m tools.artwork.samples`; static/samples/ is kept with the sources. Each
sample is a picture and a thumbnail, `<name>.webp` and `<name>-small.webp`.
tests/browser/test_home_samples.py checks that the models recognise what the page promises.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from scai.settings import ROOT
from tools.artwork import sample_pages, sample_scenes

FOLDER = ROOT / "static" / "samples"
THUMB = 112  # px a side
# Left and top of the thumbnail's square, 320 px a side, in a page; by default its middle.
_CORNERS = {"numbers": (140, 60), "telephone": (225, 40)}


def main(folder: Path = FOLDER) -> None:
    """Draw every sample into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {**sample_scenes.SCENES, **sample_pages.PAGES}
    for name, draw in drawings.items():
        picture = draw()
        picture.save(folder / f"{name}.webp", quality=72, method=6)
        _square(picture, _CORNERS.get(name)).save(
            folder / f"{name}-small.webp", quality=60, method=6
        )
        sizes = [(folder / f"{name}{end}.webp").stat().st_size for end in ("", "-small")]
        print(f"{name}: {picture.width} x {picture.height}, {sizes[0]} + {sizes[1]} bytes")


def _square(picture: Image.Image, corner: tuple[int, int] | None) -> Image.Image:
    """Return a square part of the picture as a thumbnail."""
    side = 320 if corner else min(picture.size)
    left, top = corner or ((picture.width - side) // 2, (picture.height - side) // 2)
    part = picture.crop((left, top, left + side, top + side))
    return part.resize((THUMB, THUMB), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
