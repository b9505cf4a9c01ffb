"""The diagrams that lie beside the two shipped digit models."""

from pathlib import Path

from tools.common.plots import learning_curves, save
from tools.datasets import class_folders
from tools.digits import classifier as digit_classifier
from tools.evaluate.plots import detector_precision_recall, per_class
from tools.evaluate.scores import DetectorScores
from tools.retrain import measured, outputs, plots
from tools.training.diary import Diary

CLASSIFIER = ("curves.png", "confusion.png", "classes.png", "pr.png", "reliability.png")
FOUND = ("classes.png", "precision-recall.png")
DETECTOR = ("curves.png", *FOUND)


def classifier(folder: Path, name: str, data: Path, diary: Diary) -> None:
    """Write CLASSIFIER into the model's folder, from what the server says of the test digits."""
    found = class_folders.find(data)
    values = digit_classifier.MEAN, digit_classifier.STD, "area"
    lines = outputs.section(name, str(folder.resolve()), *values)
    judged = measured.through_the_server(folder, name, lines, found, found.of("test"))
    plots.draw(folder, name, judged, {"loss": (diary.step, diary.loss)})


def detector(folder: Path, diary: Diary) -> None:
    """Write curves.png into the model's folder."""
    figure = learning_curves({"loss": (diary.step, diary.loss)})
    save(figure, folder / "curves.png")


def found(folder: Path, name: str, scores: DetectorScores) -> None:
    """Write FOUND into the folder, of the scores of a detector."""
    save(per_class([(name, scores)]), folder / FOUND[0])
    save(detector_precision_recall(name, scores), folder / FOUND[1])
