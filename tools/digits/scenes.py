"""Training pictures of the digit detector: pages of handwritten digits, made on the fly.

A scene is `(image, boxes, classes)`: (h, w, 1) uint8, (n, 4) float32 x1, y1, x2, y2 in pixels,
(n,) int64. Any other collection that yields such triples can be plugged into the same training.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tools.digits import clutter
from tools.digits.ink import Stroke, camera, paper_and_ink, rewrite, smooth_field, turn

Scene = tuple[np.ndarray, np.ndarray, np.ndarray]

MAX_DIGITS = 25  # in a scene
SMALLEST, LARGEST = 15.0, 170.0  # pixels: height of a digit, in a picture of SIDE pixels
SIDE = 320
NETWORK_SIDE = 384  # pixels: enlarged, small digits are found and told apart better
FEW_LARGE = 0.2  # share of pages


@dataclass
class Page:
    """A sheet while it is being written on.

    paper: (h, w) float32 grey levels without ink
    ink: (h, w) float32 grey levels of the ink, wherever ink will be
    coverage: (h, w) float32 0..1, how much ink lies there
    """

    paper: np.ndarray
    ink: np.ndarray
    coverage: np.ndarray
    boxes: list[tuple[int, int, int, int]] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.paper.shape
        return width, height

    def write(self, stroke: Stroke, x: int, y: int, digit: int, margin: int = 1) -> bool:
        """Put one digit down with its top left corner at x, y; False where it does not fit."""
        w, h = stroke.size
        width, height = self.size
        if x < 0 or y < 0 or x + w > width or y + h > height or w < 3:
            return False
        if not self._free(x - margin, y - margin, x + w + margin, y + h + margin):
            return False
        if self._crosses_edge(x, y, x + w, y + h):
            return False
        part = self.coverage[y : y + h, x : x + w]
        np.maximum(part, stroke.coverage, out=part)
        self.boxes.append((x, y, x + w, y + h))
        self.classes.append(digit)
        return True

    def _free(self, x1: int, y1: int, x2: int, y2: int) -> bool:
        return not any(
            x1 < right and left < x2 and y1 < bottom and top < y2
            for left, top, right, bottom in self.boxes
        )

    def _crosses_edge(self, x1: int, y1: int, x2: int, y2: int) -> bool:
        """Whether ink would be lighter than the paper in one corner and darker in another."""
        corners = np.ix_((y1, y2 - 1), (x1, x2 - 1))
        lighter = self.ink[corners] > self.paper[corners]
        return bool(lighter.any() and not lighter.all())


class Composer:
    """Makes scenes from digits; the same random generator gives the same scene.

    glyphs: (n, 28, 28) uint8, labels: (n,) int64
    """

    def __init__(self, glyphs: np.ndarray, labels: np.ndarray, side: int = SIDE) -> None:
        self._glyphs, self._labels, self._side = glyphs, labels, side

    def scene(self, rng: np.random.Generator, large: float = FEW_LARGE) -> Scene:
        """One page with 0 to 25 digits, its longer side `side` pixels long.

        large: share of the pages that a few large digits fill
        """
        page = self._page(rng)
        draw, others = rng.random(), (0.96 - large) / 0.85
        if draw < 0.45 * others:
            self._scatter(rng, page)
        elif draw < 0.85 * others:
            self._rows(rng, page)
        elif draw < 0.96:
            self._few_large(rng, page)
        harm = float(rng.random())
        clutter.scribble(rng, page.coverage, page.boxes)
        picture = page.paper + page.coverage * (page.ink - page.paper)
        image = camera(rng, picture, harm)[..., None]
        boxes = np.array(page.boxes, np.float32).reshape(-1, 4)
        return image, boxes, np.array(page.classes, np.int64)

    def _page(self, rng: np.random.Generator) -> Page:
        width = height = self._side
        if rng.random() < 0.5:
            shorter = int(self._side * rng.uniform(0.5, 1.0))
            width, height = (width, shorter) if rng.random() < 0.6 else (shorter, height)
        paper, ink = paper_and_ink(rng)
        sheet = clutter.background(rng, width, height, paper, ink)
        inks = np.full((height, width), ink, np.float32)
        if rng.random() < 0.15:  # another pen, or the same one running dry
            wave = smooth_field(rng, height, width, int(rng.integers(2, 6)))
            inks += (paper - ink) * np.clip(0.25 + 0.25 * wave, 0, 0.5)
        if rng.random() < 0.2:
            clutter.notes(rng, sheet, inks, paper, ink)
        return Page(sheet, inks, np.zeros((height, width), np.float32))

    def _digit(
        self, rng: np.random.Generator, height: float, degrees: float = 15
    ) -> tuple[Stroke, int]:
        i = int(rng.integers(len(self._labels)))
        glyph = rewrite(rng, self._glyphs[i])
        return turn(rng, glyph, height, degrees, shear=0.25), int(self._labels[i])

    def _scatter(self, rng: np.random.Generator, page: Page) -> None:
        """Digits of many sizes all over the page."""
        typical = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
        spread = rng.uniform(0, 0.6)
        for _ in range(int(rng.integers(1, MAX_DIGITS + 1))):
            height = float(np.clip(typical * np.exp(rng.normal(0, spread)), SMALLEST, LARGEST))
            stroke, digit = self._digit(rng, height)
            w, h = stroke.size
            for _ in range(8):
                x = int(rng.integers(0, max(1, page.size[0] - w)))
                y = int(rng.integers(0, max(1, page.size[1] - h)))
                if page.write(stroke, x, y, digit):
                    break

    def _rows(self, rng: np.random.Generator, page: Page) -> None:
        """Lines of writing: telephone numbers, sums, forms."""
        height = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(90))))
        gap = rng.uniform(0.02, 0.5)
        slope = np.tan(np.deg2rad(rng.normal(0, 4)))
        width, bottom = page.size
        y = rng.uniform(0, max(1.0, bottom - 1.5 * height) * 0.6)
        while y + height < bottom and len(page.boxes) < MAX_DIGITS:
            x = start = rng.uniform(0, width * 0.4)
            while x < width and len(page.boxes) < MAX_DIGITS and rng.random() > 0.04:
                stroke, digit = self._digit(rng, height * rng.uniform(0.8, 1.15), degrees=8)
                top = (
                    y + (x - start) * slope + height - stroke.size[1] + rng.normal(0, 0.06) * height
                )
                page.write(stroke, round(x), round(top), digit, margin=0)
                space = rng.uniform(0.4, 1.2) if rng.random() < 0.12 else 0.0
                x += stroke.size[0] + max(1.0, height * (gap * rng.uniform(0.3, 1.5) + space))
            y += height * rng.uniform(1.1, 2.2)
            if rng.random() < 0.12:
                return

    def _few_large(self, rng: np.random.Generator, page: Page) -> None:
        """One to three digits that fill the picture."""
        for _ in range(int(rng.integers(1, 4))):
            height = min(page.size) * rng.uniform(0.35, 0.95)
            stroke, digit = self._digit(rng, height)
            x = int(rng.integers(0, max(1, page.size[0] - stroke.size[0])))
            y = int(rng.integers(0, max(1, page.size[1] - stroke.size[1])))
            page.write(stroke, x, y, digit)
