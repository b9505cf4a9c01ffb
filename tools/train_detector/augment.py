"""Pictures seen anew: nearer or farther, shifted, mirrored, in other light, four in one.

Everything is drawn from the generator that is given, so the same step always sees the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tools.train_detector import targets
from tools.train_detector.shelf import Scene, Shelf
from tools.train_detector.targets import PADDING, UNSURE

_SEEN = 0.35  # a box counts if at least this share of it is still in sight
_UNSEEN = 0.01  # one with less than this in sight is not there at all
_LEAST = 3.0  # pixels: a narrower box is not asked for
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Habits:
    """How pictures are altered; shares are of the pictures, 0..1.

    plain: share shown as the server shows them; mosaic: share made of four pictures
    nearest, farthest: bounds of the zoom, 1 being the server's
    stretch: largest change of the shape, as a factor
    turns: also up-down and by quarter turns, for pictures that have no up
    colour: how much light, contrast and colours change, 0 (not) to 1
    """

    plain: float = 0.1
    mosaic: float = 0.25
    nearest: float = 1.7
    farthest: float = 0.7
    stretch: float = 1.15
    turns: bool = False
    colour: float = 1.0


def batches(
    shelf: Shelf, size: int, habits: Habits, seed: int
) -> Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]:
    """Step -> images (size, side, side, 3) uint8 and their targets; each picture once an epoch."""
    per_epoch = max(1, len(shelf) // size)

    def make(rng: np.random.Generator, step: int) -> tuple[np.ndarray, ...]:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((seed, 1, epoch)).permutation(len(shelf))
        picked = np.resize(order[place * size : (place + 1) * size], size)
        scenes = [scene(shelf, int(i), rng, habits) for i in picked]
        return targets.batch(scenes, shelf.side)

    return make


def scene(shelf: Shelf, place: int, rng: np.random.Generator, habits: Habits) -> Scene:
    """One picture altered: (side, side, 3) uint8, (n, 4) float32 boxes and (n,) classes of it."""
    side = shelf.side
    canvas = np.full((side, side, 3), PADDING, np.uint8)
    if rng.random() >= habits.mosaic:
        boxes, classes = _place(canvas, shelf.scene(place), side, rng, habits)
        return _relit(canvas, rng, habits), boxes, classes
    x, y = (int(v) for v in rng.uniform(0.3, 0.7, 2) * side)
    others = rng.integers(0, len(shelf), 3)
    found = []
    corners = ((0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side))
    for which, (x1, y1, x2, y2) in zip((place, *others), corners, strict=True):
        part = canvas[y1:y2, x1:x2]
        boxes, classes = _place(part, shelf.scene(int(which)), side, rng, habits, plain=False)
        found.append((boxes + np.array([x1, y1, x1, y1], np.float32), classes))
    boxes = np.concatenate([boxes for boxes, _ in found])
    return _relit(canvas, rng, habits), boxes, np.concatenate([classes for _, classes in found])


def _place(
    canvas: np.ndarray,
    one: Scene,
    side: int,
    rng: np.random.Generator,
    habits: Habits,
    plain: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture on the canvas, anywhere and of any size; gives what is in sight of it.

    side: pixels that the longer side has at a zoom of 1, so that things on a part of the canvas
        are as large as on the whole
    """
    picture, boxes, classes = one
    fit = side / max(picture.shape[:2])
    matrix = np.diag([fit, fit, 1.0])
    matrix[:2, 2] = (fit - 1) / 2  # pixels have their middles half a pixel from their edges
    if not (plain and rng.random() < habits.plain):
        matrix = _way(picture.shape, canvas.shape, fit, rng, habits)
    if (zoom := np.sqrt(abs(np.linalg.det(matrix)))) < 0.4:
        # Linear sampling would skip pixels; what is left of the zoom is done by it.
        small = cv2.resize(picture, None, fx=2 * zoom, fy=2 * zoom, interpolation=cv2.INTER_AREA)
        share = np.array([picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0], 1])
        drawn, back = small, matrix @ np.diag(share)
        back[:2, 2] += matrix[:2, :2] @ (share[:2] - 1) / 2
    else:
        drawn, back = picture, matrix
    size = canvas.shape[1], canvas.shape[0]
    canvas[:] = cv2.warpAffine(
        drawn, back[:2], size, flags=cv2.INTER_LINEAR, borderValue=(PADDING,) * 3
    )
    return _in_sight(boxes, classes, matrix, size)


def _way(
    shape: tuple[int, ...],
    canvas: tuple[int, ...],
    fit: float,
    rng: np.random.Generator,
    habits: Habits,
) -> np.ndarray:
    """(3, 3) from the picture's pixels to the canvas's: turned, zoomed, stretched, shifted."""
    zoom = np.exp(rng.uniform(np.log(habits.farthest), np.log(habits.nearest)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(habits.stretch) / 2)
    x, y = fit * zoom * stretch, fit * zoom / stretch
    across, down = (-1.0 if rng.random() < 0.5 else 1.0), 1.0
    if habits.turns and rng.random() < 0.5:
        down = -1.0
    linear = np.diag([x * across, y * down])
    if habits.turns and rng.random() < 0.5:
        linear = np.array([[0.0, 1.0], [-1.0, 0.0]]) @ linear
    # Where the picture's corners come to lie says how far it may be shifted.
    corners = np.array([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]]) @ linear.T
    low, high = corners.min(0), corners.max(0)
    room = np.array([canvas[1], canvas[0]]) - (high - low)
    shift = np.minimum(room, 0) + rng.random(2) * np.abs(room) - low
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = shift + linear @ (0.5, 0.5) - 0.5
    return matrix


def _in_sight(
    boxes: np.ndarray, classes: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where boxes come to lie, clipped; what is hardly in sight need not be found."""
    edge = matrix[:2, 2] + 0.5 - matrix[:2, :2] @ (0.5, 0.5)  # of boxes, which count from edges
    ends = boxes.reshape(-1, 2, 2) @ matrix[:2, :2].T + edge
    whole = np.concatenate([ends.min(1), ends.max(1)], axis=1)
    clipped = np.clip(whole, 0, (*size, *size)).astype(np.float32)
    sides = clipped[:, 2:] - clipped[:, :2]
    share = sides.prod(1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(1), 1e-6)
    clear = (share >= _SEEN) & (sides.min(1, initial=np.inf) >= _LEAST)
    there = share > _UNSEEN
    return clipped[there], np.where(clear, classes, UNSURE)[there].astype(np.int32)


def _relit(image: np.ndarray, rng: np.random.Generator, habits: Habits) -> np.ndarray:
    """The picture in another light: one matrix and one shift for all its pixels."""
    much = habits.colour
    if not much:
        return image
    contrast = np.exp(rng.uniform(-0.35, 0.35) * much)
    saturation = 1 + rng.uniform(-0.5, 0.4) * much
    gains = np.exp(rng.uniform(-0.12, 0.12, 3) * much)
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) * _GREY) * gains[:, None]
    middle = 128 * (1 - contrast) + rng.uniform(-25, 25) * much
    image = cv2.transform(image, np.c_[matrix, np.full(3, middle)])
    if rng.random() < 0.1 * much:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.0))
    return image
