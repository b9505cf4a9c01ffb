"""What ships around the network: any picture in, a short list of boxes out, no two on one thing.

Only operations that TensorFlow 1 graphs, .tflite files and OpenVINO all have.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tools.train_detector.model import boxes as decode_boxes
from tools.train_detector.targets import PADDING

_GREY = (0.299, 0.587, 0.114)  # red, green, blue
# By channels: resize to so many times the input first and average, and thin strokes survive.
_FINER = {1: 3, 3: 2}
_ROUNDS = 4  # of suppression; enough for a chain of that many boxes, each on the next

Found = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Suppression:
    """When two boxes are one thing; the less likely of them goes.

    most: boxes in the answer, its empty places filled with zeros
    overlap: largest intersection over union that two things have
    inside: largest part of one thing's box that lies within another's; 1: all of it may
    least: scores below this are not counted as found
    across: boxes of two classes can be one thing too
    """

    most: int = 100
    overlap: float = 0.4
    inside: float = 0.7
    least: float = 0.02
    across: bool = True


def find(answers: tf.Tensor, how: Suppression) -> Found:
    """(b, r, c, 5 + classes) raw answers -> the best `how.most` boxes of each picture.

    Gives (b, n, 4) ymin, xmin, ymax, xmax as shares of the grid, 0..1; (b, n) scores, falling;
    (b, n) float32 classes from 0; (b,) float32 how many of the n are real.
    """
    rows, columns, depth = answers.shape[1:]
    likely = tf.sigmoid(answers[..., :1])
    # A middle is where no neighbour is likelier.
    highest = tf.nn.max_pool2d(likely, 3, 1, "SAME")
    peaks = tf.reshape(tf.where(likely >= highest, likely, 0.0), (-1, rows * columns))
    # Every cell carries its own place along, so that the chosen cells' numbers are used just once:
    # OpenVINO 2026.4 mixes up the boxes of a .tflite that uses them twice.
    told = tf.concat([answers, tf.zeros_like(answers[..., :2]) + _middles(rows, columns)], axis=-1)
    peak, cell = tf.math.top_k(peaks, how.most)
    told = _picked(tf.reshape(told, (-1, depth + 2)), cell, rows * columns)
    logits = told[..., 5:depth]
    kind = tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.float32)
    score = peak * tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    box = _corners(told[..., 1:5], told[..., depth:], rows, columns)
    score = score * _lone(box, score, how, kind)
    found = tf.concat([box, kind[..., None]], axis=-1)
    score, order = tf.math.top_k(score, how.most)
    real = tf.cast(score >= how.least, tf.float32)
    found = _picked(tf.reshape(found, (-1, 5)), order, how.most) * real[..., None]
    return found[..., :4], score * real, found[..., 4], tf.reduce_sum(real, axis=1)


def _picked(table: tf.Tensor, places: tf.Tensor, each: int) -> tf.Tensor:
    """(b * each, d) rows of b pictures, (b, n) places among a picture's rows -> (b, n, d).

    As tf.gather with batch_dims=1, with which OpenVINO 2026.4 on two threads ends the process
    every few calls.
    """
    first = each * tf.range(tf.shape(places)[0])[:, None]
    return tf.gather(table, places + first)


def _middles(rows: int, columns: int) -> np.ndarray:
    """(1, rows, columns, 2) float32 x, y of every cell's middle, in cells."""
    places = np.meshgrid(np.arange(columns), np.arange(rows))
    return (np.stack(places, axis=-1)[None] + 0.5).astype(np.float32)


def _corners(told: tf.Tensor, middle: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    way, size = decode_boxes(told)
    middle = middle + way
    grid = tf.constant([columns, rows], tf.float32)
    low = tf.clip_by_value((middle - size / 2) / grid, 0.0, 1.0)
    high = tf.clip_by_value((middle + size / 2) / grid, 0.0, 1.0)
    return tf.concat([low[..., 1:], low[..., :1], high[..., 1:], high[..., :1]], axis=-1)


def _lone(
    box: tf.Tensor, score: tf.Tensor, how: Suppression, kind: tf.Tensor | None = None
) -> tf.Tensor:
    """(b, n) 1.0 for a box to keep, 0.0 for one that a better kept box stands for.

    The same as greedy non-maximum suppression, but in matrix form: a box goes if any better box
    on it stays, worked out again a few times because that one may go itself.
    """
    low = tf.maximum(box[:, :, None, :2], box[:, None, :, :2])
    high = tf.minimum(box[:, :, None, 2:], box[:, None, :, 2:])
    sides = tf.maximum(high - low, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    area = (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])
    mine, other = area[:, :, None], area[:, None, :]
    # Compared as products: an empty box divides by nothing.
    same = (shared > how.overlap * (mine + other - shared)) | (
        shared > how.inside * tf.minimum(mine, other)
    )
    if kind is not None and not how.across:
        same &= tf.equal(kind[:, :, None], kind[:, None, :])
    index = tf.range(how.most, dtype=tf.float32)
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
    model: tf.keras.Model, side: int, how: Suppression
) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """(b, h, w, 3) uint8 of any size -> what the TF Object Detection API gives, classes from 1.

    num_detections (b,), detection_boxes (b, n, 4), detection_scores, detection_classes (b, n)
    """

    def detect(rgb: tf.Tensor) -> list[tf.Tensor]:
        square, inner = _fit(rgb, side, model.input_shape[-1])
        box, score, kind, count = find(model(square, training=False), how)
        share = side / tf.cast(inner, tf.float32)  # of the square, the picture fills a part only
        box = tf.minimum(box * tf.concat([share, share], axis=0), 1.0)
        real = tf.cast(score > 0, tf.float32)
        return [count, box, score, kind + real]

    return detect


def _fit(rgb: tf.Tensor, side: int, channels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """(b, h, w, 3) uint8 -> (b, side, side, channels) float32, in shape, in the top left corner.

    channels: 1 for grey levels, 3 for colours
    Also the (2,) int32 height and width that the picture has there.
    """
    finer = _FINER[channels]
    size = tf.shape(rgb)[1:3]
    longest = tf.cast(tf.reduce_max(size), tf.float32)
    inner = tf.round(tf.cast(size, tf.float32) * (side / longest))
    inner = tf.maximum(tf.cast(inner, tf.int32), 1)
    fine = inner * finer
    # Large photos are thinned out while they are bytes: all that follows then costs the same.
    for axis in (0, 1):
        count = tf.minimum(size[axis], fine[axis])
        # In whole numbers, because engines round floats differently and would choose others.
        chosen = (2 * tf.range(count) + 1) * size[axis] // (2 * count)
        rgb = tf.gather(rgb, chosen, axis=axis + 1)
    shades = _seen(rgb, channels)
    shades = tf.compat.v1.image.resize_bilinear(shades, fine, half_pixel_centers=True)
    rest = side * finer - fine
    margins = tf.stack([[0, 0], [0, rest[0]], [0, rest[1]], [0, 0]])
    shades = tf.pad(shades, margins, constant_values=float(PADDING))
    shades = tf.reshape(shades, (-1, side * finer, side * finer, channels))
    return tf.nn.avg_pool2d(shades, finer, finer, "VALID"), inner


def _seen(rgb: tf.Tensor, channels: int) -> tf.Tensor:
    """(b, h, w, 3) of any dtype -> (b, h, w, channels) float32."""
    rgb = tf.cast(rgb, tf.float32)
    return grey(rgb) if channels == 1 else rgb


def fixed_size(model: tf.keras.Model, how: Suppression) -> Callable[[tf.Tensor], Found]:
    """(1, s, s, 3) uint8 -> what TFLite_Detection_PostProcess gives.

    Boxes (1, n, 4), classes from 0 (1, n), scores (1, n), count (1,).
    """

    def detect(rgb: tf.Tensor) -> Found:
        answers = model(_seen(rgb, model.input_shape[-1]), training=False)
        box, score, kind, count = find(answers, how)
        return box, kind, score, count

    return detect
