"""Scores of a model's answers: of classifiers and of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scai.recognition.results import Result, as_classification, as_detections
from tools.datasets.samples import Boxes, Sample
from tools.evaluate import coco
from tools.evaluate.coco import Curve, Scene

TOP = 5
BINS = 15
OTHER = "(other)"


@dataclass(frozen=True)
class ClassifierScores:
    """The scores of a classifier: shares of pictures, 0..1, and counts.

    confusion: (n, n + 1) int64, true class by predicted class; the last column counts predictions
    of classes that the data does not have.
    confidence, accuracy, pictures: (15,) by bins of equal width of the best score.
    calibration_error: mean of |confidence - accuracy|, weighted by pictures.
    """

    classes: tuple[str, ...]
    top1: float
    top5: float
    calibration_error: float
    confusion: np.ndarray = field(repr=False)
    confidence: np.ndarray = field(repr=False)
    accuracy: np.ndarray = field(repr=False)
    pictures: np.ndarray = field(repr=False)

    def per_class(self) -> dict[str, float | None]:
        """Return the recall of each class, 0..1; None for a class without pictures."""
        objects = self.confusion.sum(axis=1)
        right = self.confusion.diagonal()
        return {
            name: float(right[i] / objects[i]) if objects[i] else None
            for i, name in enumerate(self.classes)
        }

    def columns(self) -> dict[str, float]:
        """Return the main figures by name, for a table."""
        return {"top-1": self.top1, "top-5": self.top5, "ECE": self.calibration_error}

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON-ready values."""
        return {
            "top1": self.top1,
            "top5": self.top5,
            "expected_calibration_error": self.calibration_error,
            "per_class_recall": self.per_class(),
            "confusion": {
                "true": list(self.classes),
                "said": [*self.classes, OTHER],
                "counts": self.confusion.tolist(),
            },
            "reliability": {
                "confidence": self.confidence.tolist(),
                "accuracy": self.accuracy.tolist(),
                "pictures": self.pictures.tolist(),
            },
        }


def of_classifier(
    samples: Sequence[Sample],
    results: Sequence[Result],
    classes: tuple[str, ...],
    places: Mapping[str, int],
) -> ClassifierScores:
    """Score the answers of a classifier; `places`: label of the model -> index in `classes`."""
    number = {name: place for place, name in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes) + 1), np.int64)
    within = 0
    sure, right = [], []
    for sample, result in zip(samples, map(as_classification, results), strict=True):
        truth = number[str(sample.truth)]
        predicted = [places.get(label, len(classes)) for label in result.labels[:TOP]]
        best = predicted[0] if predicted else len(classes)
        confusion[truth, best] += 1
        within += truth in predicted
        right.append(best == truth)
        sure.append(float(result.scores[0]) if len(result) else 0.0)
    error, bins = calibration(np.array(sure), np.array(right, bool))
    pictures = max(len(samples), 1)
    top1 = float(confusion.diagonal().sum() / pictures)
    return ClassifierScores(classes, top1, within / pictures, error, confusion, *bins)


def calibration(sure: np.ndarray, right: np.ndarray) -> tuple[float, tuple[np.ndarray, ...]]:
    """Return the expected calibration error, and per bin: mean score, accuracy, pictures.

    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, 2017, equation 3.
    """
    # (m / BINS, (m + 1) / BINS], as in the paper; a score of 0 goes into the first.
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    pictures = np.bincount(bins, minlength=BINS)
    counts = np.maximum(pictures, 1)
    confidence = np.bincount(bins, weights=sure, minlength=BINS) / counts
    accuracy = np.bincount(bins, weights=right, minlength=BINS) / counts
    error = float(np.sum(pictures * np.abs(confidence - accuracy)) / max(len(sure), 1))
    return error, (confidence, accuracy, pictures)


@dataclass(frozen=True)
class DetectorScores:
    """The scores of a detector, by COCO's definition; a class without objects has no curve."""

    classes: tuple[str, ...]
    curves: tuple[Curve | None, ...] = field(repr=False)

    def per_class(self) -> dict[str, float | None]:
        """Return the average precision of each class at an overlap of 0.5; None without objects."""
        return {
            name: c.average(0.5) if c else None
            for name, c in zip(self.classes, self.curves, strict=True)
        }

    def columns(self) -> dict[str, float]:
        """Return the main figures by name, for a table."""
        return {
            "mAP@[.5:.95]": coco.mean(self.curves),
            "mAP@0.5": coco.mean(self.curves, 0.5),
            "mAP@0.75": coco.mean(self.curves, 0.75),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON-ready values."""
        return {
            "map": coco.mean(self.curves),
            "map_50": coco.mean(self.curves, 0.5),
            "map_75": coco.mean(self.curves, 0.75),
            "per_class": {
                name: {
                    "ap": c.average(),
                    "ap_50": c.average(0.5),
                    "recall_50": float(c.recall[0]),
                    "objects": c.objects,
                }
                for name, c in zip(self.classes, self.curves, strict=True)
                if c
            },
        }


def of_detector(
    samples: Sequence[Sample],
    results: Sequence[Result],
    classes: tuple[str, ...],
    places: Mapping[str, int],
) -> DetectorScores:
    """Score the answers of a detector; `places`: label of the model -> index in `classes`.

    Detections of other classes are ignored, as COCO does.
    """
    number = {name: place for place, name in enumerate(classes)}
    scenes = []
    for sample, result in zip(samples, map(as_detections, results), strict=True):
        truth = sample.truth
        assert isinstance(truth, Boxes)
        predicted = np.array([places.get(label, -1) for label in result.labels], int)
        objects = np.array([number.get(name, -1) for name in truth.names], int)
        scenes.append(
            Scene(
                truth.boxes,
                objects,
                result.boxes,
                predicted,
                result.scores,
                truth.ignored,
                truth.crowd,
            )
        )
    curves = tuple(coco.curve(scenes, place) for place in range(len(classes)))
    return DetectorScores(classes, curves)
