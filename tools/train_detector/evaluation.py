"""Measure a detector during its training, and choose its NMS parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import tensorflow as tf

from tools.evaluate import coco
from tools.evaluate.coco import Scene
from tools.train_detector import model as detector
from tools.train_detector import postprocessing, targets
from tools.train_detector.postprocessing import Suppression
from tools.train_detector.scene_cache import SceneCache, letterbox_scenes
from tools.train_detector.targets import UNSURE

MEAN_AVERAGE_PRECISION = "mAP@0.5"
VALIDATION_LOSS = "validation loss"
MAX_PICTURES = 400  # measured during a training, spread over all
_BATCH = 8  # pictures
_OVERLAPS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
_INSIDES = (0.7, 0.85, 1.0)
_MIN_GAIN = 0.002  # of mAP: a smaller gain may be chance, so the earlier rule is kept


class Evaluator:
    """Measures a detector on at most MAX_PICTURES labelled pictures."""

    def __init__(self, model: tf.keras.Model, cache: SceneCache, classes: int) -> None:
        places = np.unique(np.linspace(0, len(cache) - 1, MAX_PICTURES).astype(int))
        self._scenes = letterbox_scenes(cache, places.tolist())
        self._model, self._side, self._classes = model, cache.side, classes
        self._run = tf.function(lambda x: model(x, training=False))

    def measure(self) -> dict[str, float]:
        """Return the loss and mAP at an IoU of 0.5, with the present weights of the model."""
        losses = []
        outputs = []
        for start in range(0, len(self._scenes), _BATCH):
            batch = targets.batch(self._scenes[start : start + _BATCH], self._side)
            output = self._run(tf.convert_to_tensor(batch[0]))
            tensors = tuple(tf.convert_to_tensor(a) for a in batch)
            losses.append(float(detector.loss(output, tensors)))
            outputs.append(output)
        curves = self._curves(outputs, Suppression())
        return {VALIDATION_LOSS: float(np.mean(losses)), MEAN_AVERAGE_PRECISION: curves(0.5)}

    def best_suppression(
        self, overlap: float | None = None, inside: float | None = None
    ) -> tuple[Suppression, float]:
        """Return the NMS parameters with the highest mAP at an IoU of 0.5, and a score threshold.

        overlap, inside: fixed values of `Suppression`; None: the best of several
        """
        overlaps = _OVERLAPS if overlap is None else (overlap,)
        insides = _INSIDES if inside is None else (inside,)
        outputs = [
            self._run(tf.stack([s[0] for s in self._scenes[start : start + _BATCH]]))
            for start in range(0, len(self._scenes), _BATCH)
        ]
        best, reached = Suppression(), -1.0
        for across, max_inside, max_overlap in product((True, False), insides, overlaps):
            rule = replace(best, overlap=max_overlap, inside=max_inside, across=across)
            value = self._curves(outputs, rule)(0.5)
            if value > reached + _MIN_GAIN:
                best, reached = rule, value
        return best, _best_threshold(self._scenes_of(outputs, best))

    def _curves(
        self, outputs: Sequence[tf.Tensor], rule: Suppression
    ) -> Callable[[float | None], float]:
        scenes = self._scenes_of(outputs, rule)
        curves = [coco.curve(scenes, c) for c in range(self._classes)]
        return lambda overlap: coco.mean(curves, overlap)

    def _scenes_of(self, outputs: Sequence[tf.Tensor], rule: Suppression) -> list[Scene]:
        """True and detected boxes of each picture."""
        detections = [
            one
            for output in outputs
            for one in zip(
                *(np.asarray(a) for a in postprocessing.detect(output, rule)), strict=True
            )
        ]
        return [
            _scene(truth, box[: int(n)], score[: int(n)], class_id[: int(n)], self._side)
            for truth, (box, score, class_id, n) in zip(self._scenes, detections, strict=True)
        ]


def _scene(
    truth: tuple[np.ndarray, ...],
    box: np.ndarray,
    score: np.ndarray,
    class_id: np.ndarray,
    side: int,
) -> Scene:
    _, boxes, classes = truth
    unsure = classes == UNSURE
    return Scene(
        boxes,
        classes,
        box[:, [1, 0, 3, 2]] * side,
        class_id.astype(int),
        score,
        unsure,
        unsure & False,
    )


def _best_threshold(scenes: Sequence[Scene]) -> float:
    """The score with the best balance of precision and recall (F1), 0.05..0.95."""
    steps = np.arange(0.05, 0.96, 0.05)
    right, detected, true = np.zeros(len(steps)), np.zeros(len(steps)), 0
    for scene in scenes:
        table = coco.overlaps(scene.found_boxes, scene.boxes)
        agree = (scene.found_classes[:, None] == scene.classes[None]) & (table >= 0.5)
        true += int((~scene.ignored).sum())
        for i, step in enumerate(steps):
            above = scene.found_scores >= step
            right[i] += agree[above].any(axis=0).sum()
            detected[i] += above.sum()
    return round(float(steps[np.argmax(2 * right / np.maximum(detected + true, 1))]), 2)
