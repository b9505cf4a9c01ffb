"""Diagrams of a detector: learning curve, quality, and examples of its detections."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import lines, patches
from PIL import Image

from scai.pictures import pixels
from scai.recognition import annotate
from scai.recognition.results import as_detections
from tools.common.files import publish
from tools.common.plots import pyplot, save
from tools.datasets.samples import Boxes, DataSet
from tools.evaluate import plots
from tools.evaluate.answers import Answers
from tools.evaluate.scores import DetectorScores
from tools.train_detector.evaluation import MEAN_AVERAGE_PRECISION, VALIDATION_LOSS
from tools.training.curve import LearningCurve

DOTS_PER_INCH = 80
_EXAMPLES = 4  # pictures
_COLOURS = 128  # of examples.png, which makes it three times smaller
_MAX_NAMES = 12  # in its legend


def draw(
    folder: Path,
    name: str,
    curve: LearningCurve,
    scores: DetectorScores,
    data: DataSet,
    answers: Answers,
    threshold: float,
) -> None:
    """Write curves.png, classes.png, precision-recall.png and examples.png.

    answers: of the model to `data`; threshold: score from which boxes are drawn
    """
    figures = {
        "curves": curves(curve),
        "classes": plots.per_class([(name, scores)]),
        "precision-recall": plots.detector_precision_recall(name, scores),
    }
    for stem, figure in figures.items():
        save(figure, folder / f"{stem}.png")
    publish(folder / "examples.png", _small(examples(data, answers, threshold)))


def _small(figure: Any) -> bytes:
    """A figure full of photos as PNG of few colours."""
    full, few = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DOTS_PER_INCH)
    pyplot.close(figure)
    with Image.open(full) as picture:
        picture.convert("RGB").quantize(_COLOURS).save(few, format="png", optimize=True)
    return few.getvalue()


def curves(curve: LearningCurve) -> Any:
    """Loss, and if there were validation pictures their loss, and mAP on an axis of its own."""
    figure, axes = pyplot.subplots(figsize=(6.5, 4), layout="constrained")
    axes.plot(curve.step, curve.loss, color="tab:blue", label="loss")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    if curve.evaluations:
        steps, losses = curve.series(VALIDATION_LOSS)
        axes.plot(steps, losses, "o--", color="tab:orange", markersize=3, label="validation loss")
        right = axes.twinx()
        right.plot(*curve.series(MEAN_AVERAGE_PRECISION), "o-", color="tab:green", markersize=3)
        right.set(ylim=(0, 1))
        right.set_ylabel("validation mAP@0.5", color="tab:green")
    axes.legend(loc="lower left")
    return figure


def examples(data: DataSet, answers: Answers, threshold: float) -> Any:
    """Some pictures with the true boxes above and the detected ones below."""
    places = np.unique(np.linspace(0, len(answers.samples) - 1, _EXAMPLES).astype(int))
    figure, axes = pyplot.subplots(
        2, len(places), figsize=(4.2 * len(places), 7), layout="constrained", squeeze=False
    )
    for column, place in zip(axes.T, places, strict=True):
        sample, detections = answers.samples[place], as_detections(answers.results[place])
        truth = sample.truth
        assert isinstance(truth, Boxes)
        picture = pixels.decode(data.read(sample.name))
        drawn = np.flatnonzero(detections.scores >= threshold)
        _show(column[0], picture, truth.boxes, truth.names)
        labels = [detections.labels[i] for i in drawn]
        _show(column[1], picture, detections.boxes[drawn], labels)
    axes[0, 0].set_title("true boxes", loc="left")
    axes[1, 0].set_title(f"detections with a score from {threshold:g}", loc="left")
    handles = [lines.Line2D([], [], color=_colour(c), label=c) for c in data.classes[:_MAX_NAMES]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _show(axes: Any, picture: np.ndarray, boxes: np.ndarray, labels: Sequence[str]) -> None:
    axes.imshow(picture)
    axes.axis("off")
    for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
        size = max(x2 - x1, 0), max(y2 - y1, 0)
        axes.add_patch(
            patches.Rectangle((x1, y1), *size, fill=False, edgecolor=_colour(label), linewidth=1.5)
        )


def _colour(label: str) -> tuple[float, float, float]:
    """The colour in which the server draws a label, 0..1."""
    red, green, blue = annotate.color(label)
    return red / 255, green / 255, blue / 255
