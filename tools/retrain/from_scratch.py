"""A small network for your pictures alone, learned from nothing."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tools.datasets import class_folders
from tools.datasets.class_folders import Pictures
from tools.retrain import head, joined, residual_net, scratch
from tools.retrain.wishes import Learned, Wishes
from tools.training import schedule

_SIDE = 32  # pixels
_EPOCHS = 20
_PATIENCE = 10  # of 25 looks at the validation pictures
_SAMPLE = 2000  # pictures that the first layer is computed from


def learn(wish: Wishes, found: Pictures) -> Learned:
    """Learn from the training pictures of `found`. Raises UserError.

    Unreadable pictures are entered in `found.broken`.
    """
    side = wish.image_size or _SIDE
    images, labels = class_folders.load(found, found.of("train"), side)
    check = class_folders.load(found, found.of("validation"), side)
    found.tell_broken()
    found.check_learnable(labels)
    members = [joined.member(file, found.classes, side) for file in wish.ensemble]
    weights = head.class_weights(labels, len(found.classes), wish.class_weights)
    tf.keras.utils.set_random_seed(wish.seed)
    model, history = _trained(wish, images, labels, check, weights)
    seen = check[0].astype(np.float32) / 127.5 - 1
    served, whole = joined.with_mirror(model, side, wish.mirror, (seen, check[1]))
    summary = f"A residual network for pictures of {side} pixels, learned from nothing."
    if members:
        served, whole = joined.ensemble([whole, *members], (seen, check[1]))
        summary = (
            f"{len(members) + 1} residual networks for pictures of {side} pixels, learned from "
            "nothing; they answer together."
        )
    curves = {"loss": (history.step, history.loss)}
    if history.validation:
        curves["accuracy (validation)"] = (history.validated, history.validation)
    return Learned(served, whole, side, 127.5, 127.5, "area", summary, curves)


def _trained(
    wish: Wishes,
    images: np.ndarray,
    labels: np.ndarray,
    check: tuple[np.ndarray, np.ndarray],
    class_weights: np.ndarray,
) -> tuple[tf.keras.Model, schedule.History]:
    """The network, float32 throughout, and how it came about. Arrays as `scratch.train` wants."""
    batch = min(wish.batch_size, len(images))
    rate = {"rate": wish.learning_rate} if wish.learning_rate else {}
    plan = schedule.Schedule(
        steps=wish.steps(len(images), _EPOCHS * max(1, len(images) // batch)),
        minutes=wish.minutes or 0.0,
        batch=batch,
        seed=wish.seed,
        augment=wish.augment is not False,
        patience=_PATIENCE,
        **rate,
    )
    classes = len(class_weights)
    sample = images[:_SAMPLE].astype(np.float32) / 127.5 - 1
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if wish.bfloat16 else "float32")
    try:
        model = residual_net.build(classes, sample)
        history = scratch.train(
            model, images, labels, plan, wish.checkpoint, wish.resume, class_weights, check
        )
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    exact = residual_net.build(classes, sample)  # servers have no bfloat16 to count on
    exact.set_weights(model.get_weights())
    return exact, history
