"""Evaluate a written model through the server's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from scai.errors import ScaiError
from scai.models import cards
from scai.pictures import pixels
from scai.recognition.recognizer import Options
from scai.recognition.results import as_classification
from tools.common.errors import UserError
from tools.common.progress import Progress
from tools.datasets.class_folders import LabelledFile, Pictures
from tools.datasets.samples import Sample
from tools.evaluate import coco, scores
from workers.image_classification import build

_BATCH = 16  # pictures


@dataclass(frozen=True)
class Evaluation:
    """The answers of a classifier to n labelled pictures.

    truth: (n,) int, the true classes. probabilities: (n, classes) float32, 0..1
    scores: accuracy, confusion matrix and calibration
    """

    classes: tuple[str, ...]
    truth: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    scores: scores.ClassifierScores

    @cached_property
    def curves(self) -> dict[str, np.ndarray]:
        """Precision of each class that occurs, one against the rest: (101,) at `coco.RECALLS`."""
        return {
            name: precision_curve(self.probabilities[:, i], self.truth == i)
            for i, name in enumerate(self.classes)
            if (self.truth == i).any()
        }

    @property
    def averages(self) -> dict[str, float]:
        """Average precision of each class that occurs, 0..1."""
        return {name: float(precision.mean()) for name, precision in self.curves.items()}

    def metrics(self, split: str) -> dict[str, float]:
        """The numbers for the card; `split`: which pictures these are."""
        recalls = {f"recall of {c}": r for c, r in self.scores.per_class().items() if r is not None}
        numbers = {
            f"accuracy ({split})": self.scores.top1,
            "mean average precision": float(np.mean(list(self.averages.values()))),
            "expected calibration error": self.scores.calibration_error,
            **recalls,
            **{f"average precision of {c}": a for c, a in self.averages.items()},
        }
        return {name: round(float(number), 4) for name, number in numbers.items()}


def precision_curve(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Precision at `coco.RECALLS`, (101,) float; their mean is the average precision.

    probabilities: (n,) float, the scores of one class
    right: (n,) bool, whether the picture is of that class; at least one is
    """
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(right[order])
    # Pictures of the same score form one step: no order among them is better.
    last = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    return coco.precision_at_recalls(hits[last] / (last + 1), hits[last] / hits[-1])


def through_the_server(
    folder: Path, name: str, lines: str, pictures: Pictures, items: Sequence[LabelledFile]
) -> Evaluation:
    """Evaluate the model in `folder` as the server runs it with the section `lines` called `name`.

    Pictures that cannot be read are entered in `pictures.broken`. Raises UserError where none can.
    """
    config = folder / "trial.config"
    config.write_text(lines, encoding="utf-8")
    recognizer = build(cards.load_card(config, name, cards.CLASSIFICATION))
    every = Options(top_k=len(pictures.classes))
    samples, results = [], []
    progress = Progress(len(items), "pictures answered")
    with pictures.reader() as reader:
        for first in range(0, len(items), _BATCH):
            images = []
            for item in items[first : first + _BATCH]:
                try:
                    images.append(pixels.decode(reader.read(item.path)))
                except (ScaiError, OSError) as error:
                    pictures.broken[item.path] = str(error)
                    continue
                samples.append(Sample(item.path, pictures.classes[item.label]))
            results += recognizer.recognize(images, [every] * len(images))
            progress.tell(first + len(images))
    recognizer.close()
    config.unlink()
    if not samples:
        raise UserError(f"{pictures.root}: none of the {items[0].split} pictures can be read.")
    places = {label: i for i, label in enumerate(pictures.classes)}
    probabilities = np.zeros((len(results), len(places)), np.float32)
    for row, result in zip(probabilities, map(as_classification, results), strict=True):
        row[result.indices] = result.scores
    truth = np.array([places[str(sample.truth)] for sample in samples])
    return Evaluation(
        pictures.classes,
        truth,
        probabilities,
        scores.of_classifier(samples, results, pictures.classes, places),
    )
