"""Draw usr/task404.jpg, the picture for a task that does not exist.

python tools/artwork/placeholder.py [--output usr/task404.jpg]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 640, 400  # pixels
GROUND, INK, FRAME = (234, 240, 238), (19, 32, 28), (0, 107, 91)


def placeholder() -> Image.Image:
    """Draw the corners of a viewfinder around a sentence."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    draw = ImageDraw.Draw(picture)
    inset, length, thick = 40, 56, 7
    for x, right in ((inset, 1), (WIDTH - inset, -1)):
        for y, down in ((inset, 1), (HEIGHT - inset, -1)):
            draw.line(
                [(x + right * length, y), (x, y), (x, y + down * length)],
                FRAME,
                thick,
                joint="curve",
            )
    centre = WIDTH / 2
    big, small = ImageFont.load_default(44), ImageFont.load_default(24)
    draw.text((centre, 180), "No such task", INK, big, anchor="mm")
    draw.text((centre, 232), "or its picture is not there yet", INK, small, anchor="mm")
    return picture


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "usr" / "task404.jpg")
    output: Path = parser.parse_args().output
    placeholder().save(output, "JPEG", quality=85, optimize=True)


if __name__ == "__main__":
    main()
