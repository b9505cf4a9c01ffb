"""What an evaluation found, as a table for people and as values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai.cli.text import table
from scai.models.cards import CLASSIFICATION
from tools.datasets.samples import DataSet
from tools.evaluate import scores
from tools.evaluate.judging import Answers
from tools.evaluate.scores import ClassifierScores, DetectorScores

MOST_COLUMNS = 12  # of a confusion matrix on a screen
MOST_MISTAKES = 10


@dataclass(frozen=True)
class Judged:
    """One model's row: its name on the command line, what ran it, its answers and scores."""

    name: str
    engine: str
    answers: Answers
    scores: ClassifierScores | DetectorScores

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "model": self.name,
            "engine": self.engine,
            "pictures": len(self.answers.samples),
            "unreadable": self.answers.unreadable,
            "milliseconds_per_image": self.answers.milliseconds,
            "images_per_second": 1000 / max(self.answers.milliseconds, 1e-9),
            **self.scores.to_dict(),
        }


def report(judged: Sequence[Judged], data: DataSet, path: Path) -> list[str]:
    """The table of all models, the classes of each, and the pictures that could not be read."""
    first = judged[0].answers
    part = f", part {data.part}" if data.part else ""
    pictures = _count(len(first.samples), "picture", "pictures")
    classes = _count(len(data.classes), "class", "classes")
    lines = [f"{path.name}{part}: {pictures}, {classes}", ""]
    rows = [["model", "engine", *judged[0].scores.columns(), "ms/image", "images/s"]]
    for j in judged:
        numbers = [f"{value:.4f}" for value in j.scores.columns().values()]
        speed = [f"{j.answers.milliseconds:.2f}", f"{1000 / max(j.answers.milliseconds, 1e-9):.0f}"]
        rows.append([j.name, j.engine, *numbers, *speed])
    lines += [*table(rows), ""]
    what = "recall" if data.kind == CLASSIFICATION else "AP@0.5"
    rows = [[f"{what} of", *(j.name for j in judged)]]
    by_model = [j.scores.per_class() for j in judged]
    for name in data.classes:
        values = [row[name] for row in by_model]
        rows.append([name, *("-" if v is None else f"{v:.4f}" for v in values)])
    lines += table(rows)
    if data.kind == CLASSIFICATION:
        lines += [line for j in judged for line in ("", *_mistakes(j))]
    if first.unreadable:
        lines += ["", f"could not be read: {_count(len(first.unreadable), 'picture', 'pictures')}"]
        lines += [f"  {name}: {why}" for name, why in sorted(first.unreadable.items())]
    return lines


def _mistakes(judged: Judged) -> list[str]:
    """The confusion matrix if it fits on a screen, else the most frequent mistakes."""
    found = judged.scores
    assert isinstance(found, ClassifierScores)
    said = [*found.classes, scores.OTHER]
    if len(found.classes) <= MOST_COLUMNS:
        last = found.confusion[:, -1].any()
        width = len(said) if last else len(found.classes)
        rows = [["true \\ said", *said[:width]]]
        rows += [
            [name, *map(str, row[:width])]
            for name, row in zip(found.classes, found.confusion, strict=True)
        ]
        return [f"{judged.name}: what was said of each class", *table(rows)]
    mistakes = found.confusion.copy()
    mistakes[range(len(found.classes)), range(len(found.classes))] = 0
    worst = mistakes.ravel().argsort()[::-1][:MOST_MISTAKES]
    lines = [f"{judged.name}: the most frequent mistakes"]
    for place in worst:
        true, other = divmod(int(place), len(said))
        if mistakes[true, other]:
            lines.append(f"  {mistakes[true, other]:5d}  {found.classes[true]} as {said[other]}")
    return lines


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def as_dict(judged: Sequence[Judged], data: DataSet, path: Path) -> dict[str, Any]:
    """All numbers as JSON-ready values."""
    return {
        "data": path.name,
        "part": data.part,
        "kind": data.kind,
        "classes": list(data.classes),
        "models": [j.to_dict() for j in judged],
    }
