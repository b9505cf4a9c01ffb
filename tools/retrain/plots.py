"""The diagrams that lie beside a retrained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tools.common import plots
from tools.retrain.measured import Measured, precision_recall

Curves = Mapping[str, tuple[list[int], list[float]]]


def draw(folder: Path, name: str, judged: Measured, curves: Curves) -> None:
    """curves.png, confusion.png, classes.png, pr.png and reliability.png.

    curves: name -> (steps, values), a line each
    """
    lines = {
        label: precision_recall(judged.chances[:, i], judged.truth == i)
        for i, label in enumerate(judged.classes)
        if label in judged.averages
    }
    figures = {
        "curves": plots.learning_curves(curves),
        "confusion": plots.confusion(name, judged.scores),
        "classes": plots.per_class([(name, judged.scores)]),
        "pr": plots.class_precision_recall(name, lines),
        "reliability": plots.reliability(name, judged.scores),
    }
    for stem, figure in figures.items():
        plots.save(figure, folder / f"{stem}.png")
