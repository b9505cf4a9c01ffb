"""Diagrams of a detector: how it learned, how good it is, and what it finds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scai.pictures import pixels
from scai.recognition import annotate
from scai.recognition.results import Detections
from tools.common.files import publish
from tools.common.plots import pyplot, save
from tools.datasets.samples import Boxes, DataSet
from tools.evaluate import plots
from tools.evaluate.answers import Answers
from tools.evaluate.scores import DetectorScores
from tools.training.diary import Diary

DOTS_PER_INCH = 80
_SHOWN = 4  # pictures of the sheet
_COLOURS = 128  # of the sheet, which is a third of the size then
_MOST_NAMES = 12  # in the sheet's legend


def draw(
    folder: Path,
    name: str,
    diary: Diary,
    scores: DetectorScores,
    data: DataSet,
    answers: Answers,
    least: float,
) -> None:
    """Write curves.png, classes.png, precision-recall.png and examples.png.

    answers: what the model said of `data`; least: score from which boxes are shown
    """
    figures = {
        "curves": curves(diary),
        "classes": plots.per_class([(name, scores)]),
        "precision-recall": plots.detector_precision_recall(name, scores),
    }
    for stem, figure in figures.items():
        save(figure, folder / f"{stem}.png")
    publish(folder / "examples.png", _small(examples(data, answers, least)))


def _small(figure: Any) -> bytes:
    """A figure full of photos as PNG of few colours."""
    full, few = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DOTS_PER_INCH)
    pyplot.close(figure)
    with Image.open(full) as picture:
        picture.convert("RGB").quantize(_COLOURS).save(few, format="png", optimize=True)
    return few.getvalue()


def curves(diary: Diary) -> Any:
    """Loss, and where there were validation pictures, their loss and mAP on an axis of its own."""
    figure, axes = pyplot.subplots(figsize=(6.5, 4), layout="constrained")
    axes.plot(diary.step, diary.loss, color="tab:blue", label="loss")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    steps = [facts["step"] for facts in diary.judged]
    if steps:
        losses = [facts["validation loss"] for facts in diary.judged]
        axes.plot(steps, losses, "o--", color="tab:orange", markersize=3, label="validation loss")
        right = axes.twinx()
        found = [facts["mAP@0.5"] for facts in diary.judged]
        right.plot(steps, found, "o-", color="tab:green", markersize=3)
        right.set(ylim=(0, 1))
        right.set_ylabel("validation mAP@0.5", color="tab:green")
    axes.legend(loc="lower left")
    return figure


def examples(data: DataSet, answers: Answers, least: float) -> Any:
    """Some pictures with the true boxes above and the found ones below."""
    places = np.unique(np.linspace(0, len(answers.samples) - 1, _SHOWN).astype(int))
    figure, axes = pyplot.subplots(
        2, len(places), figsize=(4.2 * len(places), 7), layout="constrained", squeeze=False
    )
    for column, place in zip(axes.T, places, strict=True):
        sample, found = answers.samples[place], answers.results[place]
        truth = sample.truth
        assert isinstance(truth, Boxes) and isinstance(found, Detections)
        picture = pixels.decode(data.read(sample.name))
        sure = np.flatnonzero(found.scores >= least)
        _show(column[0], picture, truth.boxes, truth.names)
        _show(column[1], picture, found.boxes[sure], [found.labels[i] for i in sure])
    axes[0, 0].set_title("what is there", loc="left")
    axes[1, 0].set_title(f"what was found with a score from {least:g}", loc="left")
    named = [pyplot.Line2D([], [], color=_colour(c), label=c) for c in data.classes[:_MOST_NAMES]]
    figure.legend(handles=named, loc="outside lower center", ncols=len(named))
    return figure


def _show(axes: Any, picture: np.ndarray, boxes: np.ndarray, labels: Sequence[str]) -> None:
    axes.imshow(picture)
    axes.axis("off")
    for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
        size = max(x2 - x1, 0), max(y2 - y1, 0)
        axes.add_patch(
            pyplot.Rectangle((x1, y1), *size, fill=False, edgecolor=_colour(label), linewidth=1.5)
        )


def _colour(label: str) -> tuple[float, ...]:
    """As the server draws it."""
    return tuple(level / 255 for level in annotate.color(label))
