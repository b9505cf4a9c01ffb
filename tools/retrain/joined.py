"""One network from pixels to probabilities, from its parts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tools.common.errors import UserError
from tools.retrain.bases import Base, Function
from tools.retrain.head import Head, temperature

layers = tf.keras.layers
_LEAST = 1e-7  # of a probability, before its logarithm is taken


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
    whole = _as_probabilities(pixels, logits, check)
    return lambda x: whole(x, training=False), whole


def ensemble(
    models: Sequence[tf.keras.Model], check: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[Function, tf.keras.Model]:
    """Classifiers of the same pictures as one, whose answer is the mean of their logits.

    models: (b, side, side, 3) float32 -> (b, classes) probabilities; check: as in `with_mirror`
    """
    pixels = tf.keras.Input(models[0].input_shape[1:])
    told = []
    for number, model in enumerate(models):
        model.name = f"member_{number}"  # names of their own: Keras wants no two alike
        told.append(tf.keras.ops.log(tf.keras.ops.maximum(model(pixels), _LEAST)))
    whole = _as_probabilities(pixels, layers.Average()(told), check)
    return lambda x: whole(x, training=False), whole


def member(file: Path, classes: Sequence[str], side: int) -> tf.keras.Model:
    """A classifier that `scai retrain` wrote, to be one of an ensemble.

    Raises UserError when it is none, or not one of the same classes and size.
    """
    beside = file.parent / "labels.txt"
    if not file.is_file() or not beside.is_file():
        raise UserError(
            f"--ensemble {file}: expected a .keras of scai retrain, labels.txt beside it."
        )
    if beside.read_text(encoding="utf-8").splitlines() != list(classes):
        raise UserError(f"--ensemble {file}: its classes are others than those of your pictures.")
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
        told = tf.keras.Model(pixels, logits).predict(check[0], batch_size=100, verbose=0)
        logits = layers.Rescaling(1 / temperature(told, check[1]))(logits)
    return tf.keras.Model(pixels, layers.Softmax()(logits))
