"""Draw scenes with one object each: a ship, a truck, an aeroplane, a frog."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

from PIL import Image, ImageDraw, ImageFilter

SIDE = 320  # px of the finished picture
_FINE = 3  # drawn so many times larger, then reduced: smooth edges

Colour = tuple[int, int, int]
Point = tuple[float, float]


class _Scene:
    """A picture of 100 by 100 units, drawn from back to front."""

    def __init__(self, top: Colour, bottom: Colour) -> None:
        self.image = Image.new("RGB", (SIDE * _FINE, SIDE * _FINE))
        self._draw = ImageDraw.Draw(self.image)
        self._unit = SIDE * _FINE / 100
        self.fade(0, 100, top, bottom)

    def _at(self, points: Iterable[Point]) -> list[Point]:
        return [(x * self._unit, y * self._unit) for x, y in points]

    def fade(self, y_from: float, y_to: float, top: Colour, bottom: Colour) -> None:
        """Draw a band over the whole width, from one colour to the other."""
        first, last = round(y_from * self._unit), round(y_to * self._unit)
        for y in range(first, last):
            part = (y - first) / max(1, last - first)
            mixed = tuple(round(a + (b - a) * part) for a, b in zip(top, bottom, strict=True))
            self._draw.line([(0, y), (self.image.width, y)], fill=mixed)

    def shape(self, colour: Colour, *points: Point) -> None:
        self._draw.polygon(self._at(points), fill=colour)

    def round(self, colour: Colour, x: float, y: float, rx: float, ry: float | None = None) -> None:
        ry = rx if ry is None else ry
        self._draw.ellipse(self._at([(x - rx, y - ry), (x + rx, y + ry)]), fill=colour)

    def line(self, colour: Colour, width: float, *points: Point) -> None:
        self._draw.line(
            self._at(points), fill=colour, width=round(width * self._unit), joint="curve"
        )

    def strokes(
        self, seed: int, n: int, area: tuple[float, float, float, float], *colours: Colour
    ) -> None:
        """Draw short horizontal strokes at random places: waves, grass, gravel."""
        dice = random.Random(seed)
        x1, y1, x2, y2 = area
        for _ in range(n):
            x, y = dice.uniform(x1, x2), dice.uniform(y1, y2)
            self.line(dice.choice(colours), 0.5, (x, y), (x + dice.uniform(1, 6), y))

    def finish(self) -> Image.Image:
        """Return the picture at its size, its edges slightly soft, as through a lens."""
        small = self.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return small.filter(ImageFilter.GaussianBlur(0.6))


def ship() -> Image.Image:
    """A cargo ship at sea."""
    scene = _Scene((120, 164, 205), (205, 222, 233))
    scene.fade(56, 100, (62, 104, 140), (30, 62, 92))
    scene.strokes(1, 260, (-4, 58, 100, 100), (88, 130, 164), (44, 82, 114), (130, 164, 190))
    scene.shape((120, 32, 34), (8, 62), (93, 62), (89, 70), (15, 70))
    scene.shape((38, 44, 58), (5, 52), (97, 50), (93, 63), (9, 63))
    scene.shape((240, 240, 238), (12, 52), (12, 34), (30, 34), (30, 52))
    scene.shape((250, 250, 250), (14, 34), (14, 29), (28, 29), (28, 34))
    for x in (15, 20, 25):
        scene.shape((52, 70, 90), (x, 37), (x + 3, 37), (x + 3, 40), (x, 40))
        scene.shape((52, 70, 90), (x, 43), (x + 3, 43), (x + 3, 46), (x, 46))
    scene.shape((190, 60, 44), (18, 29), (18, 20), (24, 20), (24, 29))
    boxes = [(172, 66, 48), (70, 110, 140), (206, 160, 80), (110, 130, 96), (150, 80, 70)]
    for i, x in enumerate(range(34, 84, 10)):
        scene.shape(boxes[i], (x, 51), (x, 44), (x + 9, 44), (x + 9, 51))
        scene.shape(boxes[(i + 2) % 5], (x, 44), (x, 38), (x + 9, 38), (x + 9, 44))
    scene.line((60, 60, 66), 0.9, (89, 51), (89, 32))
    scene.shape((216, 228, 236), (3, 70), (97, 70), (99, 72), (1, 72))
    return scene.finish()


def truck() -> Image.Image:
    """A lorry on a road, from the side."""
    scene = _Scene((170, 196, 220), (224, 230, 232))
    scene.shape((104, 124, 92), (0, 52), (25, 46), (55, 51), (100, 45), (100, 66), (0, 66))
    scene.fade(64, 100, (112, 112, 112), (86, 86, 88))
    scene.strokes(2, 120, (-4, 66, 100, 100), (100, 100, 102), (124, 124, 124))
    scene.shape((52, 52, 56), (4, 78), (97, 78), (95, 82), (6, 82))
    scene.shape((236, 236, 232), (3, 22), (65, 22), (65, 70), (3, 70))
    scene.shape((206, 206, 204), (3, 62), (65, 62), (65, 70), (3, 70))
    for x in range(9, 63, 6):
        scene.line((214, 214, 212), 0.5, (x, 23), (x, 62))
    scene.shape((188, 40, 36), (68, 70), (68, 32), (84, 32), (92, 50), (96, 53), (96, 74), (68, 74))
    scene.shape((72, 92, 108), (76, 36), (83, 36), (89, 50), (76, 50))
    scene.shape((60, 60, 62), (3, 70), (97, 70), (97, 75), (3, 75))
    scene.shape((250, 236, 180), (93, 60), (96, 60), (96, 65), (93, 65))
    for x in (15, 28, 79):
        scene.round((26, 26, 28), x, 77, 7)
        scene.round((150, 150, 152), x, 77, 3.4)
    return scene.finish()


def airplane() -> Image.Image:
    """An airliner in the sky, from the side."""
    scene = _Scene((72, 126, 190), (176, 206, 232))
    for x, y, r in ((14, 84, 12), (28, 88, 14), (82, 90, 13), (68, 94, 16), (46, 96, 14)):
        scene.round((222, 232, 240), x, y, r * 1.5, r * 0.6)
    scene.shape((150, 160, 172), (48, 46), (64, 26), (70, 26), (60, 47))
    scene.shape((190, 54, 48), (10, 46), (6, 24), (14, 24), (25, 44))
    scene.shape(
        (236, 238, 240),
        (6, 46),
        (18, 42),
        (84, 41),
        (93, 45),
        (96, 49),
        (90, 54),
        (30, 56),
        (10, 50),
    )
    scene.shape((190, 196, 204), (10, 50), (30, 56), (90, 54), (95, 50), (84, 51), (24, 51))
    scene.shape((170, 178, 188), (6, 47), (20, 48), (6, 54), (1, 54))
    scene.shape((140, 150, 162), (44, 52), (62, 52), (36, 78), (28, 78))
    scene.round((90, 98, 110), 48, 60, 6, 2.6)
    for x in range(24, 84, 4):
        scene.round((70, 86, 110), x, 46.5, 0.8, 1.1)
    scene.shape((60, 76, 98), (88, 43.6), (91, 44.4), (93.5, 46.4), (87, 46.4))
    return scene.finish()


def frog() -> Image.Image:
    """A frog on a stone, from the front."""
    scene = _Scene((92, 82, 58), (66, 58, 42))
    scene.strokes(5, 300, (-4, 0, 100, 100), (110, 98, 70), (54, 48, 36), (84, 92, 52))
    green, dark, pale = (112, 142, 52), (72, 98, 36), (196, 200, 140)
    scene.round((40, 36, 28), 51, 84, 42, 9)
    for side in (-1, 1):
        scene.round(dark, 50 + 30 * side, 66, 15, 17)
        scene.round(green, 50 + 31 * side, 63, 12, 14)
        scene.line(dark, 6, (50 + 34 * side, 74), (50 + 42 * side, 84), (50 + 28 * side, 86))
    scene.round(green, 50, 58, 27, 27)
    scene.round(pale, 50, 70, 18, 16)
    scene.round(green, 50, 42, 25, 17)
    for side in (-1, 1):
        scene.round(green, 50 + 16 * side, 27, 8.5)
        scene.round((214, 170, 60), 50 + 17 * side, 27, 6)
        scene.round((16, 16, 14), 50 + 17 * side, 27, 3.4)
        scene.line(green, 7, (50 + 17 * side, 62), (50 + 20 * side, 84))
        for toe in (-5, 0, 5):
            scene.line(green, 2, (50 + 20 * side, 83), (50 + 20 * side + toe, 89))
        scene.round(dark, 50 + 12 * side, 54, 3, 2)
    scene.line(
        dark,
        1.2,
        *[(50 + 22 * math.sin(a / 10), 44 + 8 * math.cos(a / 10)) for a in range(-14, 15)],
    )
    return scene.finish()


SCENES: dict[str, Callable[[], Image.Image]] = {
    "ship": ship,
    "truck": truck,
    "airplane": airplane,
    "frog": frog,
}
