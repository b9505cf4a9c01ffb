"""Draw pages with handwritten figures, and a blood smear."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFilter

_FINE = 3  # drawn so many times larger, then reduced: smooth edges

Colour = tuple[int, int, int]
Point = tuple[float, float]

# The pen's way through each figure, in a cell of width 60 and height 100; strokes are smooth.
STROKES: dict[str, list[list[Point]]] = {
    "0": [[(34, 2), (10, 16), (4, 52), (14, 90), (34, 98), (54, 82), (58, 46), (48, 12), (32, 2)]],
    "1": [[(18, 20), (34, 2), (33, 50), (30, 99)]],
    "2": [[(6, 24), (18, 5), (40, 4), (52, 22), (44, 48), (22, 76), (4, 96)], [(4, 96), (56, 94)]],
    "3": [[(8, 10), (34, 2), (50, 18), (42, 40), (24, 47), (48, 56), (54, 78), (36, 97), (6, 90)]],
    "4": [[(38, 2), (20, 36), (4, 62)], [(4, 62), (58, 60)], [(44, 34), (42, 99)]],
    "5": [
        [(50, 3), (16, 5)],
        [(16, 5), (12, 44)],
        [(12, 44), (34, 38), (54, 60), (44, 88), (6, 95)],
    ],
    "6": [[(46, 3), (20, 28), (6, 64), (16, 94), (40, 95), (52, 74), (40, 54), (18, 60), (8, 76)]],
    "7": [[(4, 6), (54, 4)], [(54, 4), (36, 46), (24, 99)]],
    "8": [
        [
            (46, 14),
            (26, 2),
            (10, 20),
            (26, 44),
            (50, 70),
            (34, 98),
            (8, 84),
            (16, 58),
            (44, 34),
            (48, 14),
        ]
    ],
    "9": [[(52, 18), (30, 3), (8, 22), (18, 46), (42, 42), (53, 18), (50, 56), (40, 98)]],
}


class _Page:
    """A sheet of `size` px to write on."""

    def __init__(self, size: tuple[int, int], paper: Colour, seed: int) -> None:
        self._size = size
        self.image = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), paper)
        self.draw = ImageDraw.Draw(self.image)
        self.dice = random.Random(seed)

    def rule(self, step: int, colour: Colour, *, squares: bool = False) -> None:
        """Draw lines over the whole sheet, `step` px apart."""
        width, height = self.image.size
        for y in range(step * _FINE, height, step * _FINE):
            self.draw.line([(0, y), (width, y)], fill=colour, width=_FINE)
        for x in range(step * _FINE, width, step * _FINE) if squares else ():
            self.draw.line([(x, 0), (x, height)], fill=colour, width=_FINE)

    def write(
        self, figures: str, at: Point, height: float, ink: Colour, width: float, pace: float = 0.86
    ) -> None:
        """Write `figures` from `at` (left, top) on, `height` px high, with a pen of `width` px."""
        x, y = at
        for figure in figures:
            if figure in STROKES:
                scale = height / 100 * self.dice.uniform(0.9, 1.08)
                lean = self.dice.uniform(-0.12, 0.06)
                drop = self.dice.uniform(-0.04, 0.04) * height
                for stroke in STROKES[figure]:
                    moved = [self._moved(p, (x, y + drop), scale, lean) for p in stroke]
                    self._stroke(moved, ink, width)
            x += height * pace * self.dice.uniform(0.94, 1.06)

    def _moved(self, point: Point, at: Point, scale: float, lean: float) -> Point:
        shake = self.dice.uniform(-1.6, 1.6), self.dice.uniform(-1.6, 1.6)
        px, py = point[0] + shake[0] - lean * (point[1] - 50), point[1] + shake[1]
        return at[0] + px * scale, at[1] + py * scale

    def _stroke(self, points: Sequence[Point], ink: Colour, width: float) -> None:
        for x, y in _smooth(points):
            r = width / 2 * self.dice.uniform(0.94, 1.06) * _FINE
            x, y = x * _FINE, y * _FINE
            self.draw.ellipse([(x - r, y - r), (x + r, y + r)], fill=ink)

    def finish(self) -> Image.Image:
        """Return the sheet as a picture of its size."""
        small = self.image.resize(self._size, Image.Resampling.LANCZOS)
        return small.filter(ImageFilter.GaussianBlur(0.5))


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Return many points on the Catmull-Rom curve through `points`."""
    way = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for a, b, c, d in zip(way, way[1:], way[2:], way[3:], strict=False):
        steps = max(2, round(math.dist(b, c) * 1.5))
        for i in range(steps + 1):
            t = i / steps
            x, y = (
                0.5
                * (
                    2 * q
                    + (r - p) * t
                    + (2 * p - 5 * q + 4 * r - s) * t**2
                    + (3 * (q - r) + s - p) * t**3
                )
                for p, q, r, s in zip(a, b, c, d, strict=True)
            )
            curve.append((x, y))
    return curve


def numbers() -> Image.Image:
    """Every figure once, on squared paper, in blue ink."""
    page = _Page((640, 440), (250, 250, 246), 4)
    page.rule(40, (214, 226, 236), squares=True)
    page.write("01234", (50, 70), 110, (28, 50, 120), 10, 1.02)
    page.write("56789", (50, 260), 110, (28, 50, 120), 10, 1.02)
    return page.finish()


def telephone() -> Image.Image:
    """A telephone number on a yellow slip."""
    page = _Page((640, 360), (250, 232, 150), 8)
    page.draw.rectangle([(0, 0), (640 * _FINE, 34 * _FINE)], fill=(240, 216, 120))
    page.write("02 8712", (60, 66), 92, (40, 40, 44), 8, 0.86)
    page.write("3546", (160, 214), 92, (40, 40, 44), 8, 0.86)
    return page.finish()


def blood() -> Image.Image:
    """A blood smear as a microscope shows it: many red cells, one white cell, some platelets."""
    page = _Page((480, 360), (226, 216, 214), 11)
    placed: list[tuple[float, float, float]] = [(236, 176, 62)]
    for _ in range(4000):
        r = page.dice.uniform(29, 35)
        x, y = page.dice.uniform(-10, 490), page.dice.uniform(-10, 370)
        if all(math.dist((x, y), (px, py)) > r + pr + 3 for px, py, pr in placed):
            placed.append((x, y, r))
    cells = placed[1:]
    soft = page.image
    for x, y, r in cells:
        _disc(page.draw, x, y, r, r * page.dice.uniform(0.9, 1.02), (206, 150, 152))
        _disc(page.draw, x, y, r * 0.86, r * 0.84, (214, 160, 160))
        _disc(page.draw, x + 1, y + 1, r * 0.42, r * 0.4, (226, 188, 186))
    _disc(page.draw, 236, 176, 56, 54, (196, 180, 214))
    for dx, dy, rx, ry in ((-16, -12, 26, 24), (14, -8, 24, 26), (2, 20, 28, 20)):
        _disc(page.draw, 236 + dx, 176 + dy, rx, ry, (104, 66, 150))
    for x, y in page.dice.sample([(88, 92), (352, 262), (402, 74)], 3):
        _disc(page.draw, x, y, 8, 7, (140, 96, 160))
    page.image = soft.filter(ImageFilter.GaussianBlur(4))
    return page.finish()


def _disc(
    draw: ImageDraw.ImageDraw, x: float, y: float, rx: float, ry: float, fill: Colour
) -> None:
    corners = [(x - rx) * _FINE, (y - ry) * _FINE, (x + rx) * _FINE, (y + ry) * _FINE]
    draw.ellipse(corners, fill=fill)


PAGES: dict[str, Callable[[], Image.Image]] = {
    "numbers": numbers,
    "telephone": telephone,
    "blood": blood,
}
