"""The diagrams beside the two bundled digit models."""

from __future__ import annotations

from pathlib import Path

from tools.common.plots import learning_curves, save
from tools.datasets import class_folders
from tools.digits import classifier as network
from tools.evaluate import plots
from tools.evaluate.scores import DetectorScores
from tools.retrain import evaluation, model_files
from tools.retrain import plots as classifier_plots
from tools.training.curve import LearningCurve

CLASSIFIER = ("curves.png", "confusion.png", "classes.png", "pr.png", "reliability.png")
DETECTIONS = ("classes.png", "precision-recall.png")
DETECTOR = ("curves.png", *DETECTIONS)


def classifier(folder: Path, name: str, data: Path, curve: LearningCurve) -> None:
    """Write CLASSIFIER into the model's folder, evaluated by the server on the test digits."""
    pictures = class_folders.find(data)
    lines = model_files.section(name, str(folder.resolve()), network.MEAN, network.STD, "area")
    result = evaluation.through_the_server(folder, name, lines, pictures, pictures.of("test"))
    classifier_plots.draw(folder, name, result, {"loss": (curve.step, curve.loss)})


def detector(folder: Path, curve: LearningCurve) -> None:
    """Write curves.png into the model's folder."""
    figure = learning_curves({"loss": (curve.step, curve.loss)})
    save(figure, folder / "curves.png")


def detections(folder: Path, name: str, scores: DetectorScores) -> None:
    """Write DETECTIONS into the folder, of the scores of a detector."""
    save(plots.per_class([(name, scores)]), folder / DETECTIONS[0])
    save(plots.detector_precision_recall(name, scores), folder / DETECTIONS[1])
