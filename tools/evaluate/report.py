"""The report of an evaluation, as a table for people and as values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scai.cli.text import table
from scai.models.cards import CLASSIFICATION
from tools.datasets.samples import DataSet
from tools.evaluate import scores
from tools.evaluate.evaluation import ModelEvaluation
from tools.evaluate.scores import ClassifierScores

MAX_COLUMNS = 12  # of a confusion matrix on a screen
MAX_MISTAKES = 10


def report(evaluations: Sequence[ModelEvaluation], data: DataSet, path: Path) -> list[str]:
    """Format the figures of all models, those of each class, and the unreadable pictures."""
    first = evaluations[0].answers
    part = f", part {data.part}" if data.part else ""
    pictures = _count(len(first.samples), "picture", "pictures")
    classes = _count(len(data.classes), "class", "classes")
    lines = [f"{path.name}{part}: {pictures}, {classes}", ""]
    rows = [["model", "engine", *evaluations[0].scores.columns(), "ms/image", "images/s"]]
    for each in evaluations:
        numbers = [f"{value:.4f}" for value in each.scores.columns().values()]
        speed = [
            f"{each.answers.milliseconds:.2f}",
            f"{1000 / max(each.answers.milliseconds, 1e-9):.0f}",
        ]
        rows.append([each.name, each.engine, *numbers, *speed])
    lines += [*table(rows), ""]
    what = "recall" if data.kind == CLASSIFICATION else "AP@0.5"
    rows = [[f"{what} of", *(each.name for each in evaluations)]]
    by_model = [each.scores.per_class() for each in evaluations]
    for name in data.classes:
        values = [row[name] for row in by_model]
        rows.append([name, *("-" if v is None else f"{v:.4f}" for v in values)])
    lines += table(rows)
    if data.kind == CLASSIFICATION:
        lines += [line for each in evaluations for line in ("", *_mistakes(each))]
    if first.unreadable:
        lines += ["", f"unreadable: {_count(len(first.unreadable), 'picture', 'pictures')}"]
        lines += [f"  {name}: {why}" for name, why in sorted(first.unreadable.items())]
    return lines


def _mistakes(evaluation: ModelEvaluation) -> list[str]:
    """Format the confusion matrix if it fits on a screen, else the most frequent mistakes."""
    classifier = evaluation.scores
    assert isinstance(classifier, ClassifierScores)
    predicted = [*classifier.classes, scores.OTHER]
    if len(classifier.classes) <= MAX_COLUMNS:
        last = classifier.confusion[:, -1].any()
        width = len(predicted) if last else len(classifier.classes)
        rows = [["true \\ predicted", *predicted[:width]]]
        rows += [
            [name, *map(str, row[:width])]
            for name, row in zip(classifier.classes, classifier.confusion, strict=True)
        ]
        return [f"{evaluation.name}: confusion matrix", *table(rows)]
    mistakes = classifier.confusion.copy()
    mistakes[range(len(classifier.classes)), range(len(classifier.classes))] = 0
    worst = mistakes.ravel().argsort()[::-1][:MAX_MISTAKES]
    lines = [f"{evaluation.name}: most frequent mistakes"]
    for place in worst:
        true, other = divmod(int(place), len(predicted))
        if mistakes[true, other]:
            lines.append(
                f"  {mistakes[true, other]:5d}  {classifier.classes[true]} as {predicted[other]}"
            )
    return lines


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def as_dict(evaluations: Sequence[ModelEvaluation], data: DataSet, path: Path) -> dict[str, Any]:
    """Return all figures as JSON-ready values."""
    return {
        "data": path.name,
        "part": data.part,
        "kind": data.kind,
        "classes": list(data.classes),
        "models": [each.to_dict() for each in evaluations],
    }
