"""Diagrams of an evaluation, drawn without a display."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from tools.common.files import publish
from tools.evaluate import coco
from tools.evaluate.scores import OTHER, ClassifierScores, DetectorScores

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402, the choice of Agg comes first

DOTS_PER_INCH = 110
MOST_TICKS = 40
Scores = ClassifierScores | DetectorScores


def draw(models: Sequence[tuple[str, Scores]], folder: Path) -> list[Path]:
    """One diagram of all models by class, and those of each model; the files' paths."""
    written = []
    for name, figure in _figures(models):
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-')}.png"
        save(figure, path)
        written.append(path)
    return written


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all, and forget it. Raises OSError."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DOTS_PER_INCH)
    pyplot.close(figure)
    publish(path, data.getvalue())


def _figures(models: Sequence[tuple[str, Scores]]) -> Iterator[tuple[str, Any]]:
    yield "per-class", per_class(models)
    for name, scores in models:
        if isinstance(scores, ClassifierScores):
            yield f"{name}-confusion", confusion(name, scores)
            yield f"{name}-reliability", reliability(name, scores)
        else:
            yield f"{name}-precision-recall", precision_recall(name, scores)


def per_class(models: Sequence[tuple[str, Scores]]) -> Any:
    """Bars of each class, one for each model."""
    classes = models[0][1].classes
    figure, axes = pyplot.subplots(
        figsize=(6, max(2.5, 0.22 * len(classes) * len(models) + 1)), layout="constrained"
    )
    height = 0.8 / len(models)
    for number, (name, scores) in enumerate(models):
        values = [value or 0.0 for value in scores.per_class().values()]
        axes.barh(np.arange(len(classes)) + number * height, values, height, label=name)
    _ticks(axes.yaxis, classes, offset=0.4 - height / 2)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    is_classifier = isinstance(models[0][1], ClassifierScores)
    axes.set_xlabel("share named right" if is_classifier else "average precision at overlap 0.5")
    if len(models) > 1:
        axes.legend(loc="lower left")
    return figure


def confusion(name: str, scores: ClassifierScores) -> Any:
    """Shares of each true class, a row, that were said to be each class."""
    held = np.maximum(scores.confusion.sum(axis=1, keepdims=True), 1)
    said, counts = [*scores.classes, OTHER], scores.confusion
    if not counts[:, -1].any():
        said, counts = said[:-1], counts[:, :-1]
    side = min(12.0, 3 + 0.35 * len(scores.classes))
    figure, axes = pyplot.subplots(figsize=(side + 1, side), layout="constrained")
    picture = axes.imshow(counts / held, cmap="Blues", vmin=0, vmax=1)
    if len(said) <= 13:
        for (row, column), count in np.ndenumerate(counts):
            dark = count > 0.5 * held[row, 0]
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )
    _ticks(axes.yaxis, scores.classes)
    _ticks(axes.xaxis, said)
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel="said", ylabel="true", title=f"{name}: top-1 {scores.top1:.4f}")
    figure.colorbar(picture, label="share of the true class", shrink=0.8)
    return figure


def reliability(name: str, scores: ClassifierScores) -> Any:
    """How often answers of a certain score are right: on the diagonal for an honest model."""
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
        ylabel="share that is right",
        title=f"{name}: expected calibration error {scores.calibration_error:.4f}",
    )
    return figure


def precision_recall(name: str, scores: DetectorScores) -> Any:
    """Precision at each recall at an overlap of 0.5, a line for each class."""
    figure, axes = pyplot.subplots(figsize=(6.5, 5), layout="constrained")
    for label, curve in zip(scores.classes, scores.curves, strict=True):
        if curve is not None:
            text = f"{label} {curve.average(0.5):.3f}"
            axes.plot(coco.RECALLS, curve.precision[0], label=text)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="recall",
        ylabel="precision",
        title=f"{name}: mAP at overlap 0.5 {coco.mean(scores.curves, 0.5):.4f}",
    )
    if len(scores.classes) <= MOST_TICKS:
        axes.legend(fontsize=7, loc="lower left")
    return figure


def class_precision_recall(
    name: str, lines: Mapping[str, tuple[np.ndarray, np.ndarray, float]]
) -> Any:
    """Precision against recall of a classifier, each class against the rest.

    lines: class -> precision (m,), recall (m,) and their average precision, 0..1
    """
    figure, axes = pyplot.subplots(figsize=(6.5, 5), layout="constrained")
    for label, (precision, recall, average) in lines.items():
        axes.plot([0, *recall], [precision[0], *precision], label=f"{label} {average:.3f}")
    mean = float(np.mean([average for *_, average in lines.values()]))
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="recall",
        ylabel="precision",
        title=f"{name}: mean average precision {mean:.4f}",
    )
    if len(lines) <= MOST_TICKS:
        axes.legend(fontsize=7, loc="lower left")
    return figure


def learning_curves(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> Any:
    """Lines against the steps of a training; curves: name -> (steps, values)."""
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, label=name)
    axes.set_xlabel("step")
    if curves:
        axes.legend()
    return figure


def _ticks(axis: Any, names: Sequence[str], offset: float = 0.0) -> None:
    """The names along an axis; every few where they would lie on each other."""
    step = -(-len(names) // MOST_TICKS)
    shown = range(0, len(names), step)
    axis.set_ticks([place + offset for place in shown], [names[place][:24] for place in shown])
