"""A new last layer trained on the features of a pretrained network."""

from __future__ import annotations

import click
import numpy as np

from tools.datasets.class_folders import Pictures
from tools.retrain import assembly, bases, bottlenecks, head
from tools.retrain.classifier import Classifier
from tools.retrain.options import RetrainOptions
from tools.training.curve import LearningCurve

_STEPS = 1000
_RATE = 3e-3


def train(options: RetrainOptions, pictures: Pictures, flags: str) -> Classifier:
    """Train on the features of the training pictures; `flags`: for the card. Raises UserError.

    Unreadable pictures are entered in `pictures.broken`.
    """
    base = bases.find(
        options.base or "",
        options.base_layer,
        options.base_weights,
        options.image_size or 0,
        options.base_mean,
        options.base_std,
    )
    views = list(bottlenecks.VIEWS) if options.augment else ["plain"]
    cache = options.bottleneck_dir
    features, labels = bottlenecks.features(pictures, pictures.of("train"), base, views, cache)
    check, check_labels = bottlenecks.features(
        pictures, pictures.of("validation"), base, ["plain"], cache
    )
    pictures.report_broken()
    pictures.check_learnable(labels)
    weights = head.class_weights(labels, len(pictures.classes), options.class_weights)
    settings = head.HeadSettings(
        steps=options.steps(len(labels), _STEPS),
        batch=options.batch_size,
        rate=options.learning_rate or _RATE,
        seed=options.seed,
    )
    last, curve, used = _better_head(
        base, features, labels, (check[0], check_labels), weights, settings
    )
    calibrated = head.calibrate(last, check[0][:, :used], check_labels)
    function, model = assembly.join(base, calibrated)
    before = " and of the stages before it" if used > base.last > 0 else ""
    summary = (
        f"A new last layer behind {base.name} ({base.side} pixels), fed with its features{before}."
    )
    curves = {
        "training": curve.series(head.TRAIN_ACCURACY),
        "validation": curve.series(head.VALIDATION_ACCURACY),
    }
    return Classifier(
        function, model, base.side, base.mean, base.std, "bilinear", summary, curves, (flags,)
    )


def _better_head(
    base: bases.Base,
    views: list[np.ndarray],
    labels: np.ndarray,
    check: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    settings: head.HeadSettings,
) -> tuple[head.Head, LearningCurve, int]:
    """A head on the network's own features or on all, whichever has the lower validation loss.

    Arrays as for `head.train`. Returns the head, its learning curve, and how many features it uses.
    """
    every = views[0].shape[1]
    trials = []
    for used in sorted({base.last or every, every if len(check[1]) else base.last or every}):
        some = [view[:, :used] for view in views]
        last, curve = head.train(some, labels, (check[0][:, :used], check[1]), weights, settings)
        best = min(curve.evaluations, key=lambda numbers: numbers[head.VALIDATION_LOSS])
        loss, accuracy = best[head.VALIDATION_LOSS], best[head.VALIDATION_ACCURACY]
        trials.append((loss, used, last, curve))
        if len(check[1]):
            click.echo(f"{used} features: validation loss {loss:.4f}, accuracy {accuracy:.4f}")
    _, used, last, curve = min(trials, key=lambda trial: trial[0])
    return last, curve, used
