"""One network from pixels to probabilities, from its parts."""

import numpy as np
import tensorflow as tf

from tools.retraining.bases import Base, Function
from tools.retraining.head import Head, temperature

layers = tf.keras.layers


def join(base: Base, head: Head) -> tuple[Function, tf.keras.Model | None]:
    """Base and head as a function, and as a Keras model where the base is one.

    A head of the base's own features alone leaves the others of the base out.
    """
    model = base.end if len(head.weights) == base.last else base.model
    if model is None:
        weights, bias = tf.constant(head.weights), tf.constant(head.bias)

        def served(x: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(base.function(x) @ weights + bias)

        served.keeps = getattr(base.function, "keeps", None)  # type: ignore[attr-defined]
        return served, None
    last = layers.Dense(len(head.bias), activation="softmax", name="head")
    whole = tf.keras.Model(model.input, last(model.output))
    last.set_weights([head.weights, head.bias])
    return lambda x: whole(x, training=False), whole


def with_mirror(
    model: tf.keras.Model,
    side: int,
    mirror: bool,
    check: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Function, tf.keras.Model]:
    """Logits to probabilities; with `mirror`, of the mean over the picture and its mirror image.

    check: validation pictures (m, side, side, 3) float32 and their classes (m,) int, by which the
        probabilities are made as sure as the answers are right
    """
    pixels = tf.keras.Input((side, side, 3))
    logits = model(pixels)
    if mirror:
        logits = layers.Average()([logits, model(tf.keras.ops.flip(pixels, axis=2))])
    if check is not None and len(check[1]):
        told = tf.keras.Model(pixels, logits).predict(check[0], batch_size=100, verbose=0)
        logits = layers.Rescaling(1 / temperature(told, check[1]))(logits)
    whole = tf.keras.Model(pixels, layers.Softmax()(logits))
    return lambda x: whole(x, training=False), whole
