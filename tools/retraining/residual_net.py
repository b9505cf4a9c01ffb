"""A small residual network for small pictures, learned from nothing.

The first layer takes the pictures' neighbouring pixels apart into independent parts and is
computed, not learned; every stage halves the picture before it is normalised, which saves most
of the memory traffic a processor would wait for.
"""

import numpy as np
import tensorflow as tf

layers = tf.keras.layers

WIDTHS = (48, 128, 160)  # channels of the stages
_PATCH = 2  # pixels, side of the first layer's window
_FAINT = 5e-3  # added to the variance of a patch's parts: less than this is noise


def build(classes: int, sample: np.ndarray, widths: tuple[int, ...] = WIDTHS) -> tf.keras.Model:
    """(b, h, w, 3) float32 -1..1 -> (b, classes) float32 logits; h and w: at least 20.

    sample: (n, h, w, 3) float32 pictures to compute the first layer from
    """
    kernel = whitening(sample)
    first = layers.Conv2D(
        kernel.shape[-1],
        _PATCH,
        use_bias=False,
        trainable=False,
        kernel_initializer=tf.constant_initializer(kernel),
    )
    pixels = tf.keras.Input((None, None, 3))
    x = layers.ReLU()(first(pixels))
    for channels in widths:
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
        x = _normal(layers.MaxPooling2D()(x))
        y = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
        x = layers.Add()([x, _normal(y)])
    x = layers.GlobalMaxPooling2D()(x)
    return tf.keras.Model(pixels, layers.Dense(classes, dtype="float32")(x))


def whitening(sample: np.ndarray) -> np.ndarray:
    """Filters (2, 2, 3, 24) that make a patch's parts uncorrelated, each in both signs."""
    windows = np.lib.stride_tricks.sliding_window_view(sample, (_PATCH, _PATCH), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, _PATCH * _PATCH * 3)
    variances, parts = np.linalg.eigh(np.cov(patches, rowvar=False))
    filters = (parts / np.sqrt(variances + _FAINT)).reshape(_PATCH, _PATCH, 3, -1)
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)


def _normal(x: tf.Tensor) -> tf.Tensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
