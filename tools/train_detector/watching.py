"""How good a network is while it learns, and which suppression suits it best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import tensorflow as tf

from tools.evaluate import coco
from tools.evaluate.coco import Scene
from tools.train_detector import graph, targets
from tools.train_detector import model as detector_model
from tools.train_detector.graph import Suppression
from tools.train_detector.shelf import Shelf, fitted
from tools.train_detector.targets import UNSURE

MOST = 400  # pictures judged on the way, spread over all
_AT_ONCE = 8
_OVERLAPS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
_INSIDES = (0.7, 0.85, 1.0)
_WORTH = 0.002  # of average precision: less is chance, and the stricter rule stays


class Judge:
    """Keeps some pictures at hand, and tells how well a model finds what is in them."""

    def __init__(self, model: tf.keras.Model, shelf: Shelf, classes: int) -> None:
        places = np.unique(np.linspace(0, len(shelf) - 1, MOST).astype(int))
        self._scenes = fitted(shelf, places.tolist())
        self._model, self._side, self._classes = model, shelf.side, classes
        self._run = tf.function(lambda x: model(x, training=False))

    def __call__(self) -> dict[str, float]:
        """The loss and mAP at an overlap of 0.5, the model being as it is now."""
        losses = []
        answers = []
        for start in range(0, len(self._scenes), _AT_ONCE):
            batch = targets.batch(self._scenes[start : start + _AT_ONCE], self._side)
            told = self._run(tf.convert_to_tensor(batch[0]))
            tensors = tuple(tf.convert_to_tensor(a) for a in batch)
            losses.append(float(detector_model.loss(told, tensors)))
            answers.append(told)
        curves = self._curves(answers, Suppression())
        return {"validation loss": float(np.mean(losses)), "mAP@0.5": curves(0.5)}

    def best_suppression(
        self, overlap: float | None = None, inside: float | None = None
    ) -> tuple[Suppression, float]:
        """The rule that gives the highest mAP at 0.5 here, and the score to show boxes from.

        overlap, inside: of the rule, where they are not to be chosen
        """
        overlaps = _OVERLAPS if overlap is None else (overlap,)
        insides = _INSIDES if inside is None else (inside,)
        answers = [
            self._run(tf.stack([s[0] for s in self._scenes[start : start + _AT_ONCE]]))
            for start in range(0, len(self._scenes), _AT_ONCE)
        ]
        best, reached = Suppression(), -1.0
        for across, most_inside, most in product((True, False), insides, overlaps):
            how = replace(best, overlap=most, inside=most_inside, across=across)
            value = self._curves(answers, how)(0.5)
            if value > reached + _WORTH:
                best, reached = how, value
        return best, _surest(self._seen(answers, best))

    def _curves(
        self, answers: Sequence[tf.Tensor], how: Suppression
    ) -> Callable[[float | None], float]:
        scenes = self._seen(answers, how)
        curves = [coco.curve(scenes, c) for c in range(self._classes)]
        return lambda overlap: coco.mean(curves, overlap)

    def _seen(self, answers: Sequence[tf.Tensor], how: Suppression) -> list[Scene]:
        """What the model says of each picture, beside what is true."""
        found = [
            one
            for told in answers
            for one in zip(*(np.asarray(a) for a in graph.find(told, how)), strict=True)
        ]
        return [
            _scene(truth, box[: int(n)], score[: int(n)], kind[: int(n)], self._side)
            for truth, (box, score, kind, n) in zip(self._scenes, found, strict=True)
        ]


def _scene(
    truth: tuple[np.ndarray, ...],
    box: np.ndarray,
    score: np.ndarray,
    kind: np.ndarray,
    side: int,
) -> Scene:
    _, boxes, classes = truth
    unsure = classes == UNSURE
    return Scene(
        boxes, classes, box[:, [1, 0, 3, 2]] * side, kind.astype(int), score, unsure, unsure & False
    )


def _surest(scenes: Sequence[Scene]) -> float:
    """The score with the best balance of precision and recall (F1), 0.05..0.95."""
    steps = np.arange(0.05, 0.96, 0.05)
    right, said, held = np.zeros(len(steps)), np.zeros(len(steps)), 0
    for scene in scenes:
        table = coco.overlaps(scene.found_boxes, scene.boxes)
        agree = (scene.found_classes[:, None] == scene.classes[None]) & (table >= 0.5)
        held += int((~scene.ignored).sum())
        for i, step in enumerate(steps):
            shown = scene.found_scores >= step
            right[i] += agree[shown].any(axis=0).sum()
            said[i] += shown.sum()
    return round(float(steps[np.argmax(2 * right / np.maximum(said + held, 1))]), 2)
