"""Evaluate one model on labelled pictures, run as its worker runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from scai.models.cards import DETECTION, ModelCard
from scai.recognition.recognizer import Options
from tools.common import model_choice
from tools.common.errors import UserError
from tools.datasets.samples import DataSet
from tools.evaluate import scores
from tools.evaluate.answers import Answers, collect_answers, match_labels
from tools.evaluate.scores import ClassifierScores, DetectorScores

MIN_SCORE = 0.01  # of boxes; a precision-recall curve needs the unlikely ones too
MAX_BOXES = 100  # of a picture
MAX_NAMES = 5  # in one sentence


@dataclass(frozen=True)
class ModelEvaluation:
    """One model: its name on the command line, its engine, its answers and scores."""

    name: str
    engine: str
    answers: Answers
    scores: ClassifierScores | DetectorScores

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON-ready values."""
        return {
            "model": self.name,
            "engine": self.engine,
            "pictures": len(self.answers.samples),
            "unreadable": self.answers.unreadable,
            "milliseconds_per_image": self.answers.milliseconds,
            "images_per_second": 1000 / max(self.answers.milliseconds, 1e-9),
            **self.scores.to_dict(),
        }


def without_missing_classes(
    data: DataSet, cards: dict[str, ModelCard], ignore_missing: bool
) -> DataSet:
    """Drop the classes that a model lacks. Raises UserError unless `ignore_missing`."""
    missing: set[str] = set()
    for name, card in cards.items():
        labels = model_choice.label_names(card)
        if labels is None:
            continue
        matched = set(match_labels(labels, data.classes).values())
        lacking = [name for place, name in enumerate(data.classes) if place not in matched]
        if lacking and not ignore_missing:
            raise UserError(
                f"{name}: {len(lacking)} of the data's {len(data.classes)} classes are not in "
                f"{card.labels}: {_some(lacking)}; --ignore-missing leaves them out."
            )
        missing.update(lacking)
    if not missing:
        return data
    click.echo(f"left out, as a model lacks them: {', '.join(sorted(missing))}", err=True)
    return data.without(missing)


def evaluate_model(name: str, card: ModelCard, data: DataSet, batch: int) -> ModelEvaluation:
    """Load a model, run it on the pictures, and score its answers. Raises ScaiError, UserError."""
    recognizer = model_choice.build(card, batch)
    labels = model_choice.label_names(card)
    options = (
        Options(threshold=MIN_SCORE, top_k=MAX_BOXES)
        if data.kind == DETECTION
        else Options(top_k=scores.TOP)
    )
    try:
        hidden = not sys.stderr.isatty()
        with click.progressbar(
            length=len(data), label=name, show_pos=True, file=sys.stderr, hidden=hidden
        ) as bar:
            answers = collect_answers(recognizer, data, options, batch, bar.update)
        engine = recognizer.engine.name
    finally:
        recognizer.close()
    if not answers.samples:
        first = next(iter(answers.unreadable.values()), "there are none")
        raise UserError(f"none of {len(data)} pictures could be read: {first}.")
    if labels is None:
        labels = [label for result in answers.results for label in result.labels]
    places = match_labels(labels, data.classes)
    of_kind = scores.of_detector if data.kind == DETECTION else scores.of_classifier
    model_scores = of_kind(answers.samples, answers.results, data.classes, places)
    return ModelEvaluation(name, engine, answers, model_scores)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
