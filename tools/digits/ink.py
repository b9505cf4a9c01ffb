"""Ink and paper: MNIST digits as pens draw them and cameras see them.

Everything is grey, float32 0..255 for pictures and 0..1 for ink coverage. All randomness comes from
the generator argument, so that a seed gives the same picture on every machine.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_ROUND_PEN = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))


@dataclass(frozen=True)
class Stroke:
    """One digit's ink, cropped to its ink: coverage (h, w) float32 0..1."""

    coverage: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.coverage.shape
        return width, height


def rewrite(rng: np.random.Generator, glyph: np.ndarray) -> np.ndarray:
    """The same digit with another pen: (28, 28) uint8 -> (56, 56) uint8, thinner to thicker."""
    big: np.ndarray = cv2.resize(glyph, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    draw = rng.random()
    if draw < 0.25:
        big = cv2.erode(big, _ROUND_PEN, iterations=1)
    elif draw < 0.55:
        big = cv2.dilate(big, _ROUND_PEN, iterations=int(rng.integers(1, 4)))
    if rng.random() < 0.5:  # felt-tip and pen have hard edges, MNIST is soft
        sharper = rng.uniform(1.2, 2.5) * big.astype(np.float32) - rng.uniform(10, 50)
        big = np.clip(sharper, 0, 255).astype(np.uint8)
    return big


def crop_to_ink(glyph: np.ndarray, threshold: int = 40) -> np.ndarray:
    """The part of `glyph` (h, w) uint8 that holds ink; all of it where there is none."""
    ys, xs = np.nonzero(glyph > threshold)
    if len(xs) == 0:
        return glyph
    return glyph[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def turn(
    rng: np.random.Generator, glyph: np.ndarray, height: float, degrees: float, shear: float
) -> Stroke:
    """Ink of `glyph` (h, w) uint8, rotated and slanted at random, `height` pixels tall upright.

    degrees, shear: the largest turn either way and the largest slant either way
    """
    glyph = cv2.copyMakeBorder(crop_to_ink(glyph), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    h, w = glyph.shape
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    zoom = height / max(h - 4, 1)
    widen = zoom * rng.uniform(0.85, 1.2)
    cos, sin = np.cos(angle), np.sin(angle)
    slant = rng.uniform(-shear, shear)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[widen, slant * zoom], [0, zoom]])
    corners = np.array([[0, 0], [w, 0], [0, h], [w, h]]) @ matrix.T
    low, high = corners.min(0), corners.max(0)
    if zoom < 0.5:  # bilinear reads 2x2 pixels only: shrinking further would tear thin strokes
        glyph = cv2.GaussianBlur(glyph, (0, 0), 0.35 / zoom)
    size = np.maximum(np.ceil(high - low).astype(int), 1)
    warp = np.concatenate([matrix, -low[:, None]], axis=1)
    ink = cv2.warpAffine(glyph, warp, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
    return Stroke(crop_to_ink(ink).astype(np.float32) / 255)


def smooth_field(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Slowly changing values (height, width) float32, about -1..1: light falling unevenly."""
    coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def noise(rng: np.random.Generator, height: int, width: int, strength: float) -> np.ndarray:
    """Grain (height, width) float32 with standard deviation `strength` grey levels."""
    grain: np.ndarray = rng.standard_normal((height, width), np.float32)
    if rng.random() < 0.4:  # JPEG and demosaicing leave blotches, not single pixels
        grain = cv2.GaussianBlur(grain, (0, 0), 0.9) * 2.5
    return grain * strength


def paper_and_ink(rng: np.random.Generator) -> tuple[float, float]:
    """Grey levels of paper and ink, at least 50 apart; as often light on dark as the reverse."""
    low = rng.uniform(0, 130)
    high = rng.uniform(low + 50, 255)
    if rng.random() < 0.4:  # a scanned or drawn page: nearly black on nearly white
        low, high = rng.uniform(0, 40), rng.uniform(215, 255)
    return (high, low) if rng.random() < 0.5 else (low, high)


def camera(rng: np.random.Generator, picture: np.ndarray, harm: float) -> np.ndarray:
    """Add blur, uneven light and grain to `picture` (h, w) float32, as a camera does -> uint8.

    harm: 0 (a perfect scan) to 1 (a poor photo)
    """
    height, width = picture.shape
    if rng.random() < 0.5 * harm:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.4 + 0.9 * harm))
    if rng.random() < harm:
        light = smooth_field(rng, height, width, int(rng.integers(2, 4)))
        picture = picture * (1 + rng.uniform(0, 0.35) * light)
    if rng.random() < harm:
        picture = picture + noise(rng, height, width, rng.uniform(1, 4 + 14 * harm))
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
