"""Training pictures of the classifier: one digit, as people draw and photograph it."""

from __future__ import annotations

import cv2
import numpy as np

from tools.digits.ink import camera, paper_and_ink, rewrite, smooth_field, turn

INPUT_SIDE = 48  # pixels: the classifier's input is square
PLAIN = 0.4  # share of pictures much as MNIST has them; the others are photos
_DISTORTED = 0.8  # share of those that are bent a little


def plain(glyph: np.ndarray) -> np.ndarray:
    """A digit (28, 28) uint8 stretched to the input as a server does it."""
    return np.asarray(cv2.resize(glyph, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_LINEAR))


def distort(rng: np.random.Generator, glyph: np.ndarray) -> np.ndarray:
    """A digit (28, 28) uint8 as MNIST might have had it too: (48, 48) uint8, half of them inverted.

    Turned, slanted, scaled and shifted a little, and bent as by an unsteady hand (P. Simard et al.,
    "Best practices for convolutional neural networks", ICDAR 2003).
    """
    side = INPUT_SIDE
    angle, slant = np.deg2rad(rng.uniform(-12, 12)), rng.uniform(-0.15, 0.15)
    widen, heighten = rng.uniform(0.85, 1.15, 2)
    inverse = np.array(
        [[np.cos(angle), slant - np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    ) @ np.diag([1 / widen, 1 / heighten])
    middle = (len(glyph) - 1) / 2
    grid = (np.indices((side, side), np.float32) + 0.5) * (len(glyph) / side) - 0.5 - middle
    x, y = grid[1], grid[0]
    bend = [rng.uniform(0, 1.6) * smooth_field(rng, side, side, 5) for _ in range(2)]
    across = inverse[0, 0] * x + inverse[0, 1] * y + middle + rng.uniform(-2, 2) + bend[0]
    down = inverse[1, 0] * x + inverse[1, 1] * y + middle + rng.uniform(-2, 2) + bend[1]
    picture: np.ndarray = cv2.remap(
        glyph, across.astype(np.float32), down.astype(np.float32), cv2.INTER_LINEAR
    )
    return 255 - picture if rng.random() < 0.5 else picture


def photo(rng: np.random.Generator, glyph: np.ndarray) -> np.ndarray:
    """A digit (28, 28) uint8 of any size, place, pen and light -> (48, 48) uint8 grey."""
    side = INPUT_SIDE
    # In MNIST a digit is 20 of 28 pixels tall; 0.5 to 1.3 times that, in our pixels.
    height = rng.uniform(0.5, 1.3) * side * 20 / 28
    stroke = turn(rng, rewrite(rng, glyph), height, degrees=15, shear=0.25)
    coverage = _place(rng, stroke.coverage, side)
    paper, ink = paper_and_ink(rng)
    ground = np.full((side, side), paper, np.float32)
    if rng.random() < 0.25:
        _clutter(rng, ground, paper, ink)
    picture = ground + coverage * (ink - ground)
    return camera(rng, picture, harm=float(rng.random()))


def _place(rng: np.random.Generator, coverage: np.ndarray, side: int) -> np.ndarray:
    """Ink somewhere on a square (side, side), whole; made smaller where it would not fit."""
    h, w = coverage.shape
    shrink = min(1.0, (side - 1) / h, (side - 1) / w)
    if shrink < 1:
        size = max(1, int(w * shrink)), max(1, int(h * shrink))
        coverage = cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)
        h, w = coverage.shape
    # Most people aim for the middle; a triangular distribution gives every place a chance.
    x = round(rng.triangular(0, (side - w) / 2, side - w))
    y = round(rng.triangular(0, (side - h) / 2, side - h))
    square = np.zeros((side, side), np.float32)
    square[y : y + h, x : x + w] = coverage
    return square


def _clutter(rng: np.random.Generator, ground: np.ndarray, paper: float, ink: float) -> None:
    """Lines of ruled paper or the edge of the sheet, drawn into `ground`."""
    side = len(ground)
    if rng.random() < 0.5:
        level = paper + rng.uniform(0.1, 0.45) * (ink - paper)
        gap = int(rng.integers(8, 30))
        for at in range(int(rng.integers(0, gap)), side, gap):
            cv2.line(ground, (0, at), (side, at + int(rng.integers(-2, 3))), level, 1, cv2.LINE_AA)
        return
    width = int(rng.integers(1, 6))
    level = paper + rng.uniform(0.2, 1.0) * (ink - paper)
    for edge in rng.choice(4, size=int(rng.integers(1, 5)), replace=False):
        np.rot90(ground, edge)[:width] = level


def batch(
    rng: np.random.Generator, images: np.ndarray, labels: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random digits -> (size, 48, 48, 1) float32 0..255 and (size,) int64."""
    indices = rng.integers(0, len(images), size)
    pictures = [_any(rng, images[i]) for i in indices]
    return np.stack(pictures)[..., None].astype(np.float32), labels[indices]


def _any(rng: np.random.Generator, glyph: np.ndarray) -> np.ndarray:
    if rng.random() >= PLAIN:
        return photo(rng, glyph)
    return distort(rng, glyph) if rng.random() < _DISTORTED else plain(glyph)


def robust_set(images: np.ndarray, seed: int) -> np.ndarray:
    """Every digit once, as a photo: (n, 48, 48, 1) float32; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return np.stack([photo(rng, glyph) for glyph in images])[..., None].astype(np.float32)
