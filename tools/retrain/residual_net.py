"""A small residual network for small pictures, to be trained from scratch.

The first layer whitens neighbouring pixels and is computed, not learned; every stage halves the
picture before it is normalised, which saves most of the memory traffic. Convolutions begin as the
identity, so that the pictures reach the last layer from the first step on (K. Jordan, "94% on
CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

layers = tf.keras.layers

WIDTHS = (64, 256, 256)  # channels of the stages
_PATCH = 2  # pixels, side of the first layer's window
_FAINT = 2e-4  # added to the variance of a component: less than this is noise
_TEMPER = 1 / 9  # factor of the logits: keeps the scores of the first steps low


def build(classes: int, sample: np.ndarray, widths: tuple[int, ...] = WIDTHS) -> tf.keras.Model:
    """(b, h, w, 3) float32 -1..1 -> (b, classes) float32 logits; h and w: at least 20.

    sample: (n, h, w, 3) float32 pictures to compute the first layer from
    """
    kernel = whitening(sample)
    first = layers.Conv2D(kernel.shape[-1], _PATCH, use_bias=False, trainable=False)
    pixels = tf.keras.Input((None, None, 3))
    x = layers.Activation("gelu")(first(pixels))
    for channels in widths:
        x = layers.MaxPooling2D()(_conv(x, channels))
        x = layers.Activation("gelu")(_normal(x))
        y = _normal(_conv(x, channels))
        x = layers.Activation("gelu")(layers.Add()([x, y]))
    x = layers.GlobalMaxPooling2D()(x)
    logits = layers.Dense(classes, use_bias=False, dtype="float32")(x)
    model = tf.keras.Model(pixels, layers.Rescaling(_TEMPER, dtype="float32")(logits))
    first.set_weights([kernel])
    # Set by hand: a custom initializer would keep others from loading the saved network.
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D) and layer is not first:
            layer.set_weights([_identity_first(layer.kernel.shape)])
    return model


def whitening(sample: np.ndarray) -> np.ndarray:
    """Filters (2, 2, 3, 24) that decorrelate the components of a patch, each in both signs."""
    windows = np.lib.stride_tricks.sliding_window_view(sample, (_PATCH, _PATCH), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, _PATCH * _PATCH * 3)
    variances, parts = np.linalg.eigh(np.cov(patches, rowvar=False))
    filters = (parts / np.sqrt(variances + _FAINT)).reshape(_PATCH, _PATCH, 3, -1)
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)


def _conv(x: tf.Tensor, channels: int) -> tf.Tensor:
    return layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)


def _identity_first(shape: tuple[int, ...]) -> np.ndarray:
    """(3, 3, in, out): the first filters pass a channel on, the others are small and random."""
    height, width, source, target = shape
    spread = (1 / (height * width * source)) ** 0.5
    kernel = np.array(tf.keras.random.uniform(shape, -spread, spread), np.float32)
    through = min(source, target)
    kernel[..., :through] = 0
    kernel[height // 2, width // 2, range(through), range(through)] = 1
    return kernel


def _normal(x: tf.Tensor) -> tf.Tensor:
    return layers.BatchNormalization(momentum=0.6, scale=False)(x)
