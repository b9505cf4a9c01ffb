"""A small network trained from scratch on the pictures alone.

The learning rate follows the share of the time that is over, so a training on a busy machine makes
fewer steps and still ends with a low rate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tools.datasets import class_folders
from tools.datasets.class_folders import Pictures
from tools.retrain import assembly, augmentation, head, residual_net
from tools.retrain.classifier import Classifier
from tools.retrain.options import RetrainOptions
from tools.training.checkpoint import State
from tools.training.keras_learner import Averaging, KerasLearner, Loss
from tools.training.loop import Training
from tools.training.schedule import Schedule
from tools.training.validation import Validation

_SIDE = 32  # pixels
_EPOCHS = 20
_EVERY, _PATIENCE = 0.04, 10  # share of the training between two validations; validations
_SAMPLE = 2000  # pictures that the first layer is computed from
_RATE = 1.5  # highest learning rate for a batch of _RATE_BATCH, others in proportion
_RATE_BATCH = 1024
_MOMENTUM, _DECAY, _SMOOTHING = 0.85, 9e-3, 0.2
_BIAS_SPEED = 64.0  # the biases behind the convolutions learn so many times faster
_LOOKAHEAD = 5  # steps
ACCURACY = "validation accuracy"


def train(options: RetrainOptions, pictures: Pictures, flags: str) -> Classifier:
    """Train on the training pictures; `flags`: those that decide the outcome. Raises UserError.

    Unreadable pictures are entered in `pictures.broken`.
    """
    side = options.image_size or _SIDE
    images, labels = class_folders.load(pictures, pictures.of("train"), side)
    check = class_folders.load(pictures, pictures.of("validation"), side)
    pictures.report_broken()
    pictures.check_learnable(labels)
    members = [assembly.member(file, pictures.classes, side) for file in options.ensemble]
    weights = head.class_weights(labels, len(pictures.classes), options.class_weights)
    tf.keras.utils.set_random_seed(options.seed)
    model, state = _trained(options, (images, labels), check, weights, flags)
    scaled = check[0].astype(np.float32) / 127.5 - 1
    function, whole = assembly.with_mirror(model, side, options.mirror, (scaled, check[1]))
    summary = f"A residual network for pictures of {side} pixels, trained from scratch."
    if members:
        function, whole = assembly.ensemble([whole, *members], (scaled, check[1]))
        summary = (
            f"{len(members) + 1} residual networks for pictures of {side} pixels, trained from "
            "scratch; their answers are averaged."
        )
    curves = {"loss": (state.curve.step, state.curve.loss)}
    if state.curve.evaluations:
        curves["accuracy (validation)"] = state.curve.series(ACCURACY)
    runs = tuple(state.runs)
    return Classifier(function, whole, side, 127.5, 127.5, "area", summary, curves, runs)


def _trained(
    options: RetrainOptions,
    train: tuple[np.ndarray, np.ndarray],
    check: tuple[np.ndarray, np.ndarray],
    class_weights: np.ndarray,
    flags: str,
) -> tuple[tf.keras.Model, State]:
    """The network, float32 throughout, and how its training went.

    train, check: pictures (n, side, side, 3) uint8 and their labels (n,) int
    class_weights: (classes,) float32
    """
    images, labels = train
    batch, classes = min(options.batch_size, len(images)), len(class_weights)
    sample = images[:_SAMPLE].astype(np.float32) / 127.5 - 1
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if options.bfloat16 else "float32")
    try:
        model = residual_net.build(classes, sample)
        make = augmentation.batches(
            images, labels, batch, options.seed, options.augment is not False
        )
        state = Training(
            learner(model, class_weights),
            make,
            schedule(options, len(images), batch),
            validation(model, check),
            options.checkpoint,
            flags,
            options.resume,
        ).run()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    exact = residual_net.build(classes, sample)  # a server may lack bfloat16
    exact.set_weights(model.get_weights())
    return exact, state


def schedule(options: RetrainOptions, count: int, batch: int) -> Schedule:
    """Length and learning rate for `count` pictures in batches of `batch`."""
    return Schedule(
        rate=(options.learning_rate or _RATE) * batch / _RATE_BATCH,
        steps=options.steps(count, _EPOCHS * max(1, count // batch)),
        minutes=options.minutes or 0.0,
        warm_up_share=0.23,
        first=0.2,
        last=0.07,
        fall="linear",
        seed=options.seed,
    )


def learner(model: tf.keras.Model, class_weights: np.ndarray) -> KerasLearner:
    """Nesterov momentum with lookahead; class_weights: (classes,) float32."""
    averaging = Averaging(
        lambda _, progress: 0.95**_LOOKAHEAD * progress**3, _LOOKAHEAD, lookahead=True
    )
    optimizer = tf.keras.optimizers.SGD(momentum=_MOMENTUM, nesterov=True, weight_decay=_DECAY)
    speed = {"beta": _BIAS_SPEED}
    return KerasLearner(model, smoothed_loss(class_weights), optimizer, averaging, speed=speed)


def smoothed_loss(class_weights: np.ndarray) -> Loss:
    """Cross-entropy with label smoothing, each picture weighted by its class."""
    classes, weights = len(class_weights), tf.constant(class_weights, tf.float32)

    def loss(logits: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tf.Tensor:
        labels = batch[1]
        target = tf.one_hot(labels, classes) * (1 - _SMOOTHING) + _SMOOTHING / classes
        each = tf.nn.softmax_cross_entropy_with_logits(target, tf.cast(logits, tf.float32))
        return tf.reduce_mean(each * tf.gather(weights, labels))

    return loss


def validation(model: tf.keras.Model, check: tuple[np.ndarray, np.ndarray]) -> Validation | None:
    """Accuracy on the validation pictures, which ends the training early; None without any."""
    if not len(check[1]):
        return None
    measure = accuracy(model, *check)
    # Between two updates of the running mean there is nothing new to measure.
    return Validation(
        measure, ACCURACY, every=_EVERY, steps=_LOOKAHEAD, patience=_PATIENCE, announce=False
    )


def accuracy(
    model: tf.keras.Model, images: np.ndarray, labels: np.ndarray
) -> Callable[[], dict[str, float]]:
    """Measures the share of right answers of the model as it is then, 0..1."""

    def measure() -> dict[str, float]:
        right = 0
        for i in range(0, len(images), 250):
            batch = images[i : i + 250].astype(np.float32) / 127.5 - 1
            answers = model(batch, training=False).numpy().argmax(1)
            right += int((answers == labels[i : i + 250]).sum())
        return {ACCURACY: round(right / len(images), 4)}

    return measure
