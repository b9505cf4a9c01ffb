"""Training targets of the detector: boxes and classes to grids, and back.

All grids have one cell for STRIDE x STRIDE pixels. A box stands in the cell of its centre and in
those around it, as the offset of its centre from the cell's and its size, all in cells.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

STRIDE = 4  # pixels
PADDING = 128  # grey level beside a picture that is not square
_SHARE = 0.11  # standard deviation of a box's peak, as a share of its side
_MIN_DEVIATION, _MAX_DEVIATION = 0.45, 3.0  # cells
_NEAR = 0.3  # cells whose peak is at least this high learn box and class too
UNSURE = -1  # class of a box that need not be detected, nor counts as a mistake if it is
_UNSURE_PEAK = 0.95  # in such a box: too low for a centre, too high for a detection to cost much

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]  # image, boxes, classes


@dataclass(frozen=True)
class Targets:
    """The targets of one picture on a grid of (rows, columns).

    peak: (r, c) float32, 1 in the cell that holds a box's centre, falling off around it
    box: (r, c, 4) float32, offset of the centre in x and y, width, height; in cells
    class_id: (r, c) int32, class of the box in this cell
    weight: (r, c) float32, how much box and class matter here; sums to 1 for each box
    """

    peak: np.ndarray
    box: np.ndarray
    class_id: np.ndarray
    weight: np.ndarray


def encode(boxes: np.ndarray, classes: np.ndarray, rows: int, columns: int) -> Targets:
    """The grids of boxes (n, 4) x1, y1, x2, y2 in pixels and classes (n,); the nearer box wins.

    A box of class UNSURE has no target, and no other box is penalised where it lies.
    """
    unsure = np.asarray(classes) == UNSURE
    if unsure.any():
        targets = encode(boxes[~unsure], classes[~unsure], rows, columns)
        for x1, y1, x2, y2 in boxes[unsure] / STRIDE:
            inside = np.s_[max(0, int(y1)) : int(np.ceil(y2)), max(0, int(x1)) : int(np.ceil(x2))]
            targets.peak[inside] = np.maximum(targets.peak[inside], _UNSURE_PEAK)
        return targets
    peak = np.zeros((rows, columns), np.float32)
    box = np.zeros((rows, columns, 4), np.float32)
    class_id = np.zeros((rows, columns), np.int32)
    weight = np.zeros((rows, columns), np.float32)
    for (x1, y1, x2, y2), which in zip(boxes / STRIDE, classes, strict=True):
        cx, cy, w, h = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        column, row = min(int(cx), columns - 1), min(int(cy), rows - 1)
        across = np.clip(w * _SHARE, _MIN_DEVIATION, _MAX_DEVIATION)
        down = np.clip(h * _SHARE, _MIN_DEVIATION, _MAX_DEVIATION)
        left, top = max(0, int(column - 3 * across)), max(0, int(row - 3 * down))
        xs = np.arange(left, min(columns, int(column + 3 * across) + 2))
        ys = np.arange(top, min(rows, int(row + 3 * down) + 2))
        height = np.outer(
            np.exp(-((ys - row) ** 2) / (2 * down**2)),
            np.exp(-((xs - column) ** 2) / (2 * across**2)),
        ).astype(np.float32)
        window = np.s_[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
        ours = height > peak[window]
        peak[window] = np.maximum(peak[window], height)
        near = ours & (height > _NEAR)
        values = np.empty((len(ys), len(xs), 4), np.float32)
        values[..., 0] = cx - (xs[None, :] + 0.5)
        values[..., 1] = cy - (ys[:, None] + 0.5)
        values[..., 2:] = w, h
        box[window][near] = values[near]
        class_id[window][near] = which
        weight[window][near] = height[near] / max(float(height[near].sum()), 1e-6)
    return Targets(peak, box, class_id, weight)


def decode(targets: Targets, threshold: float = 0.99) -> tuple[np.ndarray, np.ndarray]:
    """Grids -> (n, 4) float32 boxes in pixels and (n,) classes, for every cell at a peak."""
    rows, columns = np.nonzero(targets.peak >= threshold)
    values = targets.box[rows, columns]
    centre = np.stack([columns, rows], 1) + 0.5 + values[:, :2]
    half = values[:, 2:] / 2
    boxes = np.concatenate([centre - half, centre + half], 1) * STRIDE
    return boxes.astype(np.float32), targets.class_id[rows, columns]


def letterbox(image: np.ndarray, boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Letterbox a picture (h, w, c) uint8 to (side, side, c), in the top left corner."""
    height, width, channels = image.shape
    scale = side / max(height, width)
    if scale != 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, size, interpolation=method).reshape(size[1], size[0], channels)
        boxes = boxes * np.float32(scale)
    square = np.full((side, side, channels), PADDING, np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    return square, boxes


def batch(samples: Iterable[Sample], side: int) -> tuple[np.ndarray, ...]:
    """Samples -> images (b, side, side, c) uint8, then the grids of `Targets`, each (b, ...)."""
    images, grids = [], []
    for image, boxes, classes in samples:
        square, boxes = letterbox(image, boxes, side)
        images.append(square)
        grids.append(encode(boxes, classes, side // STRIDE, side // STRIDE))
    return (
        np.stack(images),
        np.stack([g.peak for g in grids]),
        np.stack([g.box for g in grids]),
        np.stack([g.class_id for g in grids]),
        np.stack([g.weight for g in grids]),
    )
