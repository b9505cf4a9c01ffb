"""The diagrams that lie beside a retrained model."""

from __future__ import annotations

from pathlib import Path

from tools.common.plots import learning_curves, save
from tools.evaluate import plots
from tools.retrain.classifier import Curves
from tools.retrain.evaluation import Evaluation


def draw(folder: Path, name: str, result: Evaluation, curves: Curves) -> None:
    """Draw curves.png, confusion.png, classes.png, pr.png and reliability.png.

    curves: name -> (steps, values), a line each
    """
    figures = {
        "curves": learning_curves(curves),
        "confusion": plots.confusion(name, result.scores),
        "classes": plots.per_class([(name, result.scores)]),
        "pr": plots.precision_recall(f"{name}: mean average precision", result.curves),
        "reliability": plots.reliability(name, result.scores),
    }
    for stem, figure in figures.items():
        save(figure, folder / f"{stem}.png")
