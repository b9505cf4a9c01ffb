"""Add NMS, letterbox and output format to the network: pictures in, boxes without duplicates out.

Only operations that TensorFlow 1 graphs, .tflite files and OpenVINO all have.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tools.train_detector import model as detector
from tools.train_detector.targets import PADDING

_GREY = (0.299, 0.587, 0.114)  # red, green, blue
# By channels: thin strokes survive if pictures are resized to so many times the input first.
_OVERSAMPLING = {1: 3, 3: 2}
_ROUNDS = 4  # of suppression: enough for chains of so many boxes that overlap

Detections = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression: of two boxes of the same object, drop the one with the lower score.

    limit: boxes in the answer; missing ones are zeros
    overlap: IoU above which boxes count as duplicates
    inside: boxes are duplicates too if a larger share of one lies inside the other; 1: never
    threshold: boxes with lower scores are dropped
    across: boxes of different classes can be duplicates too
    """

    limit: int = 100
    overlap: float = 0.4
    inside: float = 0.7
    threshold: float = 0.02
    across: bool = True


def detect(output: tf.Tensor, rule: Suppression) -> Detections:
    """The best `rule.limit` boxes of each picture from the raw output (b, r, c, 5 + classes).

    Returns (b, n, 4) ymin, xmin, ymax, xmax as shares of the grid, 0..1; (b, n) scores, falling;
    (b, n) float32 classes from 0; (b,) float32 how many of the n are real.
    """
    rows, columns, depth = output.shape[1:]
    likely = tf.sigmoid(output[..., :1])
    # A centre is where no neighbour is likelier.
    highest = tf.nn.max_pool2d(likely, 3, 1, "SAME")
    peaks = tf.reshape(tf.where(likely >= highest, likely, 0.0), (-1, rows * columns))
    # Every cell carries its own place, so that the numbers of the chosen cells are used just once:
    # OpenVINO 2026.4 mixes up the boxes of a .tflite that uses them twice.
    cells = tf.concat([output, tf.zeros_like(output[..., :2]) + _centres(rows, columns)], axis=-1)
    peak, cell = tf.math.top_k(peaks, rule.limit)
    cells = _rows(tf.reshape(cells, (-1, depth + 2)), cell, rows * columns)
    logits = cells[..., 5:depth]
    class_id = tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.float32)
    score = peak * tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    box = _corners(cells[..., 1:5], cells[..., depth:], rows, columns)
    score = score * suppress(box, score, rule, class_id)
    boxes = tf.concat([box, class_id[..., None]], axis=-1)
    score, order = tf.math.top_k(score, rule.limit)
    real = tf.cast(score >= rule.threshold, tf.float32)
    boxes = _rows(tf.reshape(boxes, (-1, 5)), order, rule.limit) * real[..., None]
    return boxes[..., :4], score * real, boxes[..., 4], tf.reduce_sum(real, axis=1)


def _rows(table: tf.Tensor, places: tf.Tensor, each: int) -> tf.Tensor:
    """Rows (b, n, d) of b pictures, from all (b * each, d) and places (b, n) within a picture.

    As tf.gather with batch_dims=1, with which OpenVINO 2026.4 on two threads ends the process
    every few calls.
    """
    first = each * tf.range(tf.shape(places)[0])[:, None]
    return tf.gather(table, places + first)


def _centres(rows: int, columns: int) -> np.ndarray:
    """(1, rows, columns, 2) float32 x, y of every cell's centre, in cells."""
    places = np.meshgrid(np.arange(columns), np.arange(rows))
    return (np.stack(places, axis=-1)[None] + 0.5).astype(np.float32)


def _corners(values: tf.Tensor, centre: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    offset, size = detector.boxes(values)
    centre = centre + offset
    grid = tf.constant([columns, rows], tf.float32)
    low = tf.clip_by_value((centre - size / 2) / grid, 0.0, 1.0)
    high = tf.clip_by_value((centre + size / 2) / grid, 0.0, 1.0)
    return tf.concat([low[..., 1:], low[..., :1], high[..., 1:], high[..., :1]], axis=-1)


def suppress(
    box: tf.Tensor, score: tf.Tensor, rule: Suppression, class_id: tf.Tensor | None = None
) -> tf.Tensor:
    """Mark duplicates: (b, n) 1.0 for a box to keep, 0.0 for a duplicate of a better one.

    The same as greedy non-maximum suppression, but in matrix form. A box is dropped if a kept box
    with a higher score overlaps it; iterated, because that box may be dropped itself.
    """
    low = tf.maximum(box[:, :, None, :2], box[:, None, :, :2])
    high = tf.minimum(box[:, :, None, 2:], box[:, None, :, 2:])
    sides = tf.maximum(high - low, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    area = (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])
    mine, other = area[:, :, None], area[:, None, :]
    # Compared as products: an empty box divides by nothing.
    same = (shared > rule.overlap * (mine + other - shared)) | (
        shared > rule.inside * tf.minimum(mine, other)
    )
    if class_id is not None and not rule.across:
        same &= tf.equal(class_id[:, :, None], class_id[:, None, :])
    index = tf.range(rule.limit, dtype=tf.float32)
    earlier = index[None, None, :] < index[None, :, None]
    mine, other = score[:, :, None], score[:, None, :]
    better = (other > mine) | (tf.equal(other, mine) & earlier)
    beaten = tf.cast(same & better, tf.float32)
    keep = tf.ones_like(score)
    for _ in range(_ROUNDS):
        keep = 1.0 - tf.reduce_max(beaten * keep[:, None, :], axis=2)
    return keep


def grey(rgb: tf.Tensor) -> tf.Tensor:
    """(b, h, w, 3) float32 -> (b, h, w, 1) float32."""
    weights = tf.reshape(tf.constant(_GREY, tf.float32), (1, 1, 3, 1))
    return tf.nn.conv2d(rgb, weights, strides=1, padding="VALID")


def any_size(
    model: tf.keras.Model, side: int, rule: Suppression
) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """(b, h, w, 3) uint8 of any size -> the outputs of the TF Object Detection API, classes from 1.

    num_detections (b,), detection_boxes (b, n, 4), detection_scores, detection_classes (b, n)
    """

    def run(rgb: tf.Tensor) -> list[tf.Tensor]:
        square, inner = _letterbox(rgb, side, model.input_shape[-1])
        box, score, class_id, count = detect(model(square, training=False), rule)
        share = side / tf.cast(inner, tf.float32)  # the picture fills only a part of the square
        box = tf.minimum(box * tf.concat([share, share], axis=0), 1.0)
        real = tf.cast(score > 0, tf.float32)
        return [count, box, score, class_id + real]

    return run


def _letterbox(rgb: tf.Tensor, side: int, channels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Letterbox (b, h, w, 3) uint8 to (b, side, side, channels) float32, in the top left corner.

    channels: 1 for grey levels, 3 for colours
    Also returns the (2,) int32 height and width of the picture there.
    """
    factor = _OVERSAMPLING[channels]
    size = tf.shape(rgb)[1:3]
    longest = tf.cast(tf.reduce_max(size), tf.float32)
    inner = tf.round(tf.cast(size, tf.float32) * (side / longest))
    inner = tf.maximum(tf.cast(inner, tf.int32), 1)
    fine = inner * factor
    # Large photos are thinned out while they are bytes, so that the rest costs the same.
    for axis in (0, 1):
        count = tf.minimum(size[axis], fine[axis])
        # Integers, because engines round floats differently and would choose other rows.
        rows = (2 * tf.range(count) + 1) * size[axis] // (2 * count)
        rgb = tf.gather(rgb, rows, axis=axis + 1)
    shades = _channels(rgb, channels)
    shades = tf.compat.v1.image.resize_bilinear(shades, fine, half_pixel_centers=True)
    rest = side * factor - fine
    margins = tf.stack([[0, 0], [0, rest[0]], [0, rest[1]], [0, 0]])
    shades = tf.pad(shades, margins, constant_values=float(PADDING))
    shades = tf.reshape(shades, (-1, side * factor, side * factor, channels))
    return tf.nn.avg_pool2d(shades, factor, factor, "VALID"), inner


def _channels(rgb: tf.Tensor, channels: int) -> tf.Tensor:
    """(b, h, w, 3) of any dtype -> (b, h, w, channels) float32."""
    rgb = tf.cast(rgb, tf.float32)
    return grey(rgb) if channels == 1 else rgb


def fixed_size(model: tf.keras.Model, rule: Suppression) -> Callable[[tf.Tensor], Detections]:
    """(1, s, s, 3) uint8 -> the outputs of TFLite_Detection_PostProcess.

    Boxes (1, n, 4), classes from 0 (1, n), scores (1, n), count (1,).
    """

    def run(rgb: tf.Tensor) -> Detections:
        output = model(_channels(rgb, model.input_shape[-1]), training=False)
        box, score, class_id, count = detect(output, rule)
        return box, class_id, score, count

    return run
