"""Join networks: base and head, picture and mirror image, several classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tools.common.errors import UserError
from tools.retrain.bases import Base, Function
from tools.retrain.head import Head, temperature

layers = tf.keras.layers
_MIN_PROBABILITY = 1e-7  # its logarithm is taken


def join(base: Base, head: Head) -> tuple[Function, tf.keras.Model | None]:
    """Join base and head: a function, and a Keras model if the base is one.

    A head on the last layer's features alone leaves out the earlier stages of the base.
    """
    model = base.end if len(head.weights) == base.last else base.model
    if model is None:
        weights, bias = tf.constant(head.weights), tf.constant(head.bias)

        def function(x: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(base.function(x) @ weights + bias)

        function.keeps = getattr(base.function, "keeps", None)  # type: ignore[attr-defined]
        return function, None
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
    """Turn logits into probabilities, with `mirror` averaged over the picture and its mirror image.

    check: validation pictures (m, side, side, 3) float32 and their classes (m,) int, by which
        the probabilities are calibrated
    """
    pixels = tf.keras.Input((side, side, 3))
    logits = model(pixels)
    if mirror:
        logits = layers.Average()([logits, model(tf.keras.ops.flip(pixels, axis=2))])
    whole = _as_probabilities(pixels, logits, check)
    return lambda x: whole(x, training=False), whole


def ensemble(
    models: Sequence[tf.keras.Model], check: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[Function, tf.keras.Model]:
    """One classifier whose answer is the mean of the logits of several.

    models: (b, side, side, 3) float32 -> (b, classes) probabilities; check: as in `with_mirror`
    """
    pixels = tf.keras.Input(models[0].input_shape[1:])
    logits = []
    for number, model in enumerate(models):
        model.name = f"member_{number}"  # Keras refuses two members of the same name
        logits.append(tf.keras.ops.log(tf.keras.ops.maximum(model(pixels), _MIN_PROBABILITY)))
    whole = _as_probabilities(pixels, layers.Average()(logits), check)
    return lambda x: whole(x, training=False), whole


def member(file: Path, classes: Sequence[str], side: int) -> tf.keras.Model:
    """Load a classifier that `scai retrain` wrote, as a member of an ensemble.

    Raises UserError if it is none, or has other classes or another size.
    """
    label_file = file.parent / "labels.txt"
    if not file.is_file() or not label_file.is_file():
        raise UserError(
            f"--ensemble {file}: expected a .keras of scai retrain, labels.txt beside it."
        )
    if label_file.read_text(encoding="utf-8").splitlines() != list(classes):
        raise UserError(f"--ensemble {file}: its classes are others than those of the pictures.")
    try:
        model = tf.keras.models.load_model(file, compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"--ensemble {file}: Keras cannot read it: {str(error)[:200]}") from error
    if model.input_shape[1:] != (side, side, 3):
        raise UserError(f"--ensemble {file}: expected pictures of {side} pixels, as here.")
    return model


def _as_probabilities(
    pixels: tf.Tensor, logits: tf.Tensor, check: tuple[np.ndarray, np.ndarray] | None
) -> tf.keras.Model:
    if check is not None and len(check[1]):
        values = tf.keras.Model(pixels, logits).predict(check[0], batch_size=100, verbose=0)
        logits = layers.Rescaling(1 / temperature(values, check[1]))(logits)
    return tf.keras.Model(pixels, layers.Softmax()(logits))
