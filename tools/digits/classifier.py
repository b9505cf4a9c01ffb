"""The network of the `digits` model, which classifies one handwritten digit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tools.digits import photos

MEAN = STD = 127.5  # the server gives the network (pixel - MEAN) / STD
_GREY = (0.299, 0.587, 0.114)  # red, green, blue: ITU-R BT.601, as every image library has it
_FAINTEST = 4.0  # grey levels: contrast below this is grain, not ink

layers = tf.keras.layers


def build(classes: int = 10) -> tf.keras.Model:
    """(b, 48, 48, 1) float32 grey 0..255 -> (b, classes) float32 logits; 0.9 million weights."""
    side = photos.INPUT_SIDE
    grey = tf.keras.Input((side, side, 1))
    x = layers.Lambda(standardise, output_shape=(side, side, 1), dtype="float32")(grey)
    x = _conv(x, 32, kernel=5, stride=2)
    x = layers.MaxPooling2D()(_conv(x, 64))
    x = _conv(_conv(x, 96), 96)
    x = layers.MaxPooling2D()(_conv(x, 128))
    x = _conv(_conv(x, 160), 160)
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    x = layers.Dropout(0.4)(x)
    return tf.keras.Model(grey, layers.Dense(classes, dtype="float32")(x))


def standardise(grey: tf.Tensor) -> tf.Tensor:
    """Normalise each picture to mean 0 and deviation about 1, whatever its exposure."""
    mean = tf.reduce_mean(grey, axis=(1, 2, 3), keepdims=True)
    centred = grey - mean
    variance = tf.reduce_mean(tf.square(centred), axis=(1, 2, 3), keepdims=True)
    return centred * tf.math.rsqrt(variance + _FAINTEST**2)


def _conv(x: tf.Tensor, channels: int, kernel: int = 3, stride: int = 1) -> tf.Tensor:
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.97)(x))


def loss(logits: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Cross-entropy with label smoothing, because some labels of MNIST are ambiguous."""
    target = tf.one_hot(batch[1], logits.shape[-1])
    return tf.reduce_mean(
        tf.keras.losses.categorical_crossentropy(
            target, logits, from_logits=True, label_smoothing=0.05
        )
    )


def serving_function(model: tf.keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The exported function: RGB (b, 48, 48, 3), (x - MEAN) / STD -> (b, classes) scores."""

    def probabilities(rgb: tf.Tensor) -> tf.Tensor:
        weights = tf.constant(np.reshape(_GREY, (1, 1, 3, 1)) * STD, tf.float32)
        grey = tf.nn.conv2d(rgb, weights, strides=1, padding="VALID") + MEAN
        return tf.nn.softmax(model(grey, training=False))

    return probabilities


def as_input(grey: np.ndarray) -> np.ndarray:
    """(n, h, w, 1) grey 0..255 -> (n, h, w, 3) float32 as the server prepares it."""
    return (np.repeat(grey, 3, axis=-1).astype(np.float32) - MEAN) / STD
