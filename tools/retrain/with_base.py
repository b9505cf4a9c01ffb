"""A new last layer behind a network that sees."""

from __future__ import annotations

import click
import numpy as np

from tools.datasets.class_folders import Pictures
from tools.retrain import bases, bottlenecks, head, joined
from tools.retrain.wishes import Learned, Wishes

_STEPS = 1000
_RATE = 3e-3


def learn(wish: Wishes, found: Pictures) -> Learned:
    """Learn from the features of the training pictures of `found`. Raises UserError.

    Unreadable pictures are entered in `found.broken`.
    """
    base = bases.find(
        wish.base or "",
        wish.base_layer,
        wish.base_weights,
        wish.image_size or 0,
        wish.base_mean,
        wish.base_std,
    )
    views = list(bottlenecks.VIEWS) if wish.augment else ["plain"]
    cache = wish.bottleneck_dir
    seen, labels = bottlenecks.features(found, found.of("train"), base, views, cache)
    check, known = bottlenecks.features(found, found.of("validation"), base, ["plain"], cache)
    found.tell_broken()
    found.check_learnable(labels)
    weights = head.class_weights(labels, len(found.classes), wish.class_weights)
    lesson = head.Lesson(
        steps=wish.steps(len(labels), _STEPS),
        batch=wish.batch_size,
        rate=wish.learning_rate or _RATE,
        seed=wish.seed,
    )
    last, curves, used = _better_head(base, seen, labels, (check[0], known), weights, lesson)
    served, model = joined.join(base, head.calibrated(last, check[0][:, :used], known))
    before = " and of layers before it" if used > base.last > 0 else ""
    summary = (
        f"A new last layer behind {base.name} ({base.side} pixels), fed with its features{before}."
    )
    drawn = {
        "learned from": (curves.step, curves.train),
        "validation": (curves.step, curves.validation),
    }
    return Learned(served, model, base.side, base.mean, base.std, "bilinear", summary, drawn)


def _better_head(
    base: bases.Base,
    seen: list[np.ndarray],
    labels: np.ndarray,
    check: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    lesson: head.Lesson,
) -> tuple[head.Head, head.Curves, int]:
    """Of the network's own features or of all, whatever answers the validation pictures better.

    Arrays as `head.learn` wants them. Gives the head, its curves, and of how many features it is.
    """
    every = seen[0].shape[1]
    tried = []
    for used in sorted({base.last or every, every if len(check[1]) else base.last or every}):
        views = [view[:, :used] for view in seen]
        last, curves = head.learn(views, labels, (check[0][:, :used], check[1]), weights, lesson)
        place = int(np.argmin(curves.validation_loss))
        tried.append((curves.validation_loss[place], used, last, curves))
        if len(check[1]):
            loss, right = curves.validation_loss[place], curves.validation[place]
            click.echo(f"{used} features: validation loss {loss:.4f}, accuracy {right:.4f}")
    _, used, last, curves = min(tried, key=lambda one: one[0])
    return last, curves, used
