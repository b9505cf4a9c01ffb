"""Pictures altered for training: zoomed, shifted, mirrored, in other light, mosaics of four.

All randomness comes from the generator of the step, so the same step always gets the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tools.train_detector import targets
from tools.train_detector.scene_cache import Scene, SceneCache
from tools.train_detector.targets import PADDING, UNSURE
from tools.training.prefetch import Batch, MakeBatch

_MIN_VISIBLE = 0.35  # a box counts if at least this share of it is still visible
_INVISIBLE = 0.01  # a box with a smaller visible share is dropped
_MIN_SIDE = 3.0  # pixels: a narrower box does not count
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Augmentation:
    """How pictures are changed at random; shares are of the pictures, 0..1.

    plain: share prepared as the server does it; mosaic: share made of four pictures
    nearest, farthest: bounds of the zoom; 1: the picture just fits, as on the server
    stretch: largest change of the aspect ratio, as a factor
    turns: also flipped upside down and rotated by 90 degrees, for pictures without a right way up
    colour: strength of the changes of light, contrast and colours, 0 (none) to 1
    """

    plain: float = 0.1
    mosaic: float = 0.25
    nearest: float = 1.7
    farthest: float = 0.7
    stretch: float = 1.15
    turns: bool = False
    colour: float = 1.0


def batches(cache: SceneCache, size: int, augment: Augmentation, seed: int) -> MakeBatch:
    """Make batches: images (size, side, side, 3) uint8 and targets; each picture once per epoch."""
    per_epoch = max(1, len(cache) // size)

    def make(rng: np.random.Generator, step: int) -> Batch:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((seed, 1, epoch)).permutation(len(cache))
        indices = np.resize(order[place * size : (place + 1) * size], size)
        scenes = [scene(cache, int(i), rng, augment) for i in indices]
        return targets.batch(scenes, cache.side)

    return make


def scene(cache: SceneCache, place: int, rng: np.random.Generator, augment: Augmentation) -> Scene:
    """One picture altered: (side, side, 3) uint8, (n, 4) float32 boxes and (n,) classes of it."""
    side = cache.side
    canvas = np.full((side, side, 3), PADDING, np.uint8)
    if rng.random() >= augment.mosaic:
        boxes, classes = _place(canvas, cache.scene(place), side, rng, augment)
        return _relit(canvas, rng, augment), boxes, classes
    x, y = (int(v) for v in rng.uniform(0.3, 0.7, 2) * side)
    others = rng.integers(0, len(cache), 3)
    parts = []
    corners = ((0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side))
    for which, (x1, y1, x2, y2) in zip((place, *others), corners, strict=True):
        part = canvas[y1:y2, x1:x2]
        boxes, classes = _place(part, cache.scene(int(which)), side, rng, augment, plain=False)
        parts.append((boxes + np.array([x1, y1, x1, y1], np.float32), classes))
    boxes = np.concatenate([boxes for boxes, _ in parts])
    return _relit(canvas, rng, augment), boxes, np.concatenate([classes for _, classes in parts])


def _place(
    canvas: np.ndarray,
    one: Scene,
    side: int,
    rng: np.random.Generator,
    augment: Augmentation,
    plain: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture on the canvas at random place and zoom; returns the visible boxes.

    side: pixels that the longer side has at a zoom of 1, so that things on a part of the canvas
        are as large as on the whole
    """
    picture, boxes, classes = one
    fit = side / max(picture.shape[:2])
    matrix = np.diag([fit, fit, 1.0])
    matrix[:2, 2] = (fit - 1) / 2  # pixels have their middles half a pixel from their edges
    if not (plain and rng.random() < augment.plain):
        matrix = _transform(picture.shape, canvas.shape, fit, rng, augment)
    if (zoom := np.sqrt(abs(np.linalg.det(matrix)))) < 0.4:
        # Linear sampling would skip pixels, so most of the zoom is done by area averaging.
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
    return _visible(boxes, classes, matrix, size)


def _transform(
    shape: tuple[int, ...],
    canvas: tuple[int, ...],
    fit: float,
    rng: np.random.Generator,
    augment: Augmentation,
) -> np.ndarray:
    """(3, 3) from the picture's pixels to the canvas's: turned, zoomed, stretched, shifted."""
    zoom = np.exp(rng.uniform(np.log(augment.farthest), np.log(augment.nearest)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(augment.stretch) / 2)
    x, y = fit * zoom * stretch, fit * zoom / stretch
    across, down = (-1.0 if rng.random() < 0.5 else 1.0), 1.0
    if augment.turns and rng.random() < 0.5:
        down = -1.0
    linear = np.diag([x * across, y * down])
    if augment.turns and rng.random() < 0.5:
        linear = np.array([[0.0, 1.0], [-1.0, 0.0]]) @ linear
    # The corners of the picture bound how far it may be shifted.
    corners = np.array([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]]) @ linear.T
    low, high = corners.min(0), corners.max(0)
    room = np.array([canvas[1], canvas[0]]) - (high - low)
    shift = np.minimum(room, 0) + rng.random(2) * np.abs(room) - low
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = shift + linear @ (0.5, 0.5) - 0.5
    return matrix


def _visible(
    boxes: np.ndarray, classes: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes on the canvas, clipped; those that are hardly visible become UNSURE."""
    edge = matrix[:2, 2] + 0.5 - matrix[:2, :2] @ (0.5, 0.5)  # of boxes, which count from edges
    ends = boxes.reshape(-1, 2, 2) @ matrix[:2, :2].T + edge
    whole = np.concatenate([ends.min(1), ends.max(1)], axis=1)
    clipped = np.clip(whole, 0, (*size, *size)).astype(np.float32)
    sides = clipped[:, 2:] - clipped[:, :2]
    share = sides.prod(1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(1), 1e-6)
    counted = (share >= _MIN_VISIBLE) & (sides.min(1, initial=np.inf) >= _MIN_SIDE)
    visible = share > _INVISIBLE
    return clipped[visible], np.where(counted, classes, UNSURE)[visible].astype(np.int32)


def _relit(image: np.ndarray, rng: np.random.Generator, augment: Augmentation) -> np.ndarray:
    """The picture in another light: one matrix and one shift for all its pixels."""
    strength = augment.colour
    if not strength:
        return image
    contrast = np.exp(rng.uniform(-0.35, 0.35) * strength)
    saturation = 1 + rng.uniform(-0.5, 0.4) * strength
    gains = np.exp(rng.uniform(-0.12, 0.12, 3) * strength)
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) * _GREY) * gains[:, None]
    middle = 128 * (1 - contrast) + rng.uniform(-25, 25) * strength
    image = cv2.transform(image, np.c_[matrix, np.full(3, middle)])
    if rng.random() < 0.1 * strength:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.0))
    return image
