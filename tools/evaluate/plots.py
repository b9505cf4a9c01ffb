"""Diagrams of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.common.plots import MAX_TICKS, pyplot, save, ticks
from tools.evaluate import coco
from tools.evaluate.scores import OTHER, ClassifierScores, DetectorScores

Scores = ClassifierScores | DetectorScores


def draw(models: Sequence[tuple[str, Scores]], folder: Path) -> list[Path]:
    """Draw a diagram of all models by class, and those of each model; returns the files."""
    written = []
    for name, figure in _figures(models):
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-')}.png"
        save(figure, path)
        written.append(path)
    return written


def _figures(models: Sequence[tuple[str, Scores]]) -> Iterator[tuple[str, Any]]:
    yield "per-class", per_class(models)
    for name, scores in models:
        if isinstance(scores, ClassifierScores):
            yield f"{name}-confusion", confusion(name, scores)
            yield f"{name}-reliability", reliability(name, scores)
        else:
            yield f"{name}-precision-recall", detector_precision_recall(name, scores)


def per_class(models: Sequence[tuple[str, Scores]]) -> Any:
    """Draw the recall or average precision of each class as bars, one for each model."""
    classes = models[0][1].classes
    figure, axes = pyplot.subplots(
        figsize=(6, max(2.5, 0.22 * len(classes) * len(models) + 1)), layout="constrained"
    )
    height = 0.8 / len(models)
    for number, (name, scores) in enumerate(models):
        values = [value or 0.0 for value in scores.per_class().values()]
        axes.barh(np.arange(len(classes)) + number * height, values, height, label=name)
    ticks(axes.yaxis, classes, offset=0.4 - height / 2)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    is_classifier = isinstance(models[0][1], ClassifierScores)
    axes.set_xlabel("recall" if is_classifier else "average precision at overlap 0.5")
    if len(models) > 1:
        axes.legend(loc="lower left")
    return figure


def confusion(name: str, scores: ClassifierScores) -> Any:
    """Draw the confusion matrix: a row for each true class, in shares of that class."""
    totals = np.maximum(scores.confusion.sum(axis=1, keepdims=True), 1)
    predicted, counts = [*scores.classes, OTHER], scores.confusion
    if not counts[:, -1].any():
        predicted, counts = predicted[:-1], counts[:, :-1]
    side = min(12.0, 3 + 0.35 * len(scores.classes))
    figure, axes = pyplot.subplots(figsize=(side + 1, side), layout="constrained")
    picture = axes.imshow(counts / totals, cmap="Blues", vmin=0, vmax=1)
    if len(predicted) <= 13:
        for (row, column), count in np.ndenumerate(counts):
            dark = count > 0.5 * totals[row, 0]
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )
    ticks(axes.yaxis, scores.classes)
    ticks(axes.xaxis, predicted)
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel="predicted", ylabel="true", title=f"{name}: top-1 {scores.top1:.4f}")
    figure.colorbar(picture, label="share of the true class", shrink=0.8)
    return figure


def reliability(name: str, scores: ClassifierScores) -> Any:
    """Draw the calibration: accuracy by score, on the diagonal for a calibrated model."""
    figure, axes = pyplot.subplots(figsize=(5, 5), layout="constrained")
    used = scores.pictures > 0
    width = 1 / len(scores.pictures)
    left = np.arange(len(scores.pictures)) * width
    axes.bar(left[used], scores.accuracy[used], width, align="edge", edgecolor="white")
    axes.plot([0, 1], [0, 1], "--", color="grey")
    axes.plot(scores.confidence[used], scores.accuracy[used], "o", color="black", markersize=3)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="score of the best class",
        ylabel="accuracy",
        title=f"{name}: expected calibration error {scores.calibration_error:.4f}",
    )
    return figure


def precision_recall(title: str, curves: Mapping[str, np.ndarray]) -> Any:
    """Draw precision against recall, a line for each class, with its average precision.

    curves: class -> (101,) float, precision at `coco.RECALLS`
    """
    figure, axes = pyplot.subplots(figsize=(6.5, 5), layout="constrained")
    for label, precision in curves.items():
        axes.plot(coco.RECALLS, precision, label=f"{label} {precision.mean():.3f}")
    mean = float(np.mean([precision.mean() for precision in curves.values()]))
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="recall",
        ylabel="precision",
        title=f"{title} {mean:.4f}",
    )
    if len(curves) <= MAX_TICKS:
        axes.legend(fontsize=7, loc="lower left")
    return figure


def detector_precision_recall(name: str, scores: DetectorScores) -> Any:
    """Draw precision against recall at an overlap of 0.5, a line for each class that occurs."""
    pairs = zip(scores.classes, scores.curves, strict=True)
    at_half = {label: curve.precision[0] for label, curve in pairs if curve is not None}
    return precision_recall(f"{name}: mAP at overlap 0.5", at_half)
