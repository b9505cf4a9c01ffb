"""What a training leaves behind: a folder with models, labels, card and diagrams, all measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scai.models import cards
from tools.common import cards as model_cards
from tools.common import install
from tools.common.errors import figures
from tools.common.folders import whole_folder
from tools.datasets.labelled_boxes import TEST, TRAIN, VALIDATION, Labelled
from tools.evaluate.evaluation import ModelEvaluation, evaluate_model
from tools.evaluate.scores import DetectorScores
from tools.train_detector import outputs, plots, weights
from tools.train_detector.learning import Learned

if TYPE_CHECKING:
    from tools.train_detector.command import Wishes

_BATCH = 8


def write(wish: Wishes, found: Labelled, learned: Learned) -> str:
    """The output folder, measured through the server's own code; gives the lines to install."""
    lite = f"{wish.name}.tflite"
    count, least = len(found.classes), learned.least
    with whole_folder(wish.out) as folder:
        outputs.write_models(
            folder, lite, found.classes, learned.model, wish.image_size, learned.how, saved=True
        )
        weights.save(learned.model, found.classes, folder / weights.FILE)
        trial = outputs.section(wish.name, str(folder.resolve()), lite, count, least)
        judged = measure(folder, wish.name, trial, found)
        assert isinstance(judged.scores, DetectorScores)
        data = found.splits[found.judged]
        plots.draw(folder, wish.name, learned.diary, judged.scores, data, judged.answers, least)
        facts = model_cards.described(folder, _files(folder, bool(wish.install_as)))
        card = describe(wish, found, learned, judged, facts)
        model_cards.write(card, folder)
    click.echo(f"{wish.out}, as the server answers:\n{figures(card.metrics)}")
    where = f"models/{wish.name}" if wish.install_as else wish.out.as_posix()
    return outputs.section(wish.name, where, lite, count, least)


def measure(folder: Path, name: str, lines: str, found: Labelled) -> ModelEvaluation:
    """What the server would find in the pictures to judge by."""
    config = folder / "trial.config"
    config.write_text(lines, encoding="utf-8")
    try:
        card = cards.load_card(config, name, cards.DETECTION)
        return evaluate_model(name, card, found.splits[found.judged], _BATCH)
    finally:
        config.unlink()


def _files(folder: Path, installed: bool) -> list[str]:
    """The files for the card to list; a card that is copied along tells of what lies beside it."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if not installed:
        return names
    return [n for n in names if "/" not in n and install.served(n)]


def describe(
    wish: Wishes,
    found: Labelled,
    learned: Learned,
    judged: ModelEvaluation,
    files: dict[str, dict[str, object]],
) -> model_cards.Card:
    """The card of the exported model."""
    assert isinstance(judged.scores, DetectorScores)
    scores, lite = judged.scores, f"{wish.name}.tflite"
    metrics = {name: round(value, 4) for name, value in scores.columns().items()}
    metrics |= {
        f"AP@0.5 of {name}": round(value, 4)
        for name, value in scores.per_class().items()
        if value is not None
    }
    how, data = learned.how, model_cards.shown(wish.data)
    counts = found.counts()
    boxes = Counter(n for s in found.splits[TRAIN].samples for n in s.truth.names)
    return model_cards.Card(
        name=wish.name,
        task="object_detection",
        summary=f"Finds {_listed(found.classes)}: one box for each.",
        classes=found.classes,
        input=outputs.described_input(lite, wish.image_size),
        output=outputs.described_output(lite, how)
        | {
            "suppression": f"boxes that overlap by more than {how.overlap:g} (intersection over "
            f"union) or lie within one another by more than {how.inside:g} are one thing, "
            + ("whatever their classes" if how.across else "if they are of one class")
        },
        metrics=metrics | {"pictures measured": len(judged.answers.samples)},
        measured_with=_measured_with(wish, found),
        trained_with=model_cards.commands(
            f"scai train-detector --data {data} --out {model_cards.shown(wish.out)}", learned.legs
        ),
        limits=_limits(wish, found),
        data=f"{data}: {counts[TRAIN]} pictures to learn from "
        f"({', '.join(f'{boxes[name]} {name}' for name in found.classes)}), {counts[VALIDATION]} "
        f"for validation, {counts[TEST]} for testing; {len(learned.left_out)} pictures or boxes to "
        "learn from were left out, as they are unreadable, empty or outside of their pictures",
        licence=wish.licence,
        files=files,
    )


def _measured_with(wish: Wishes, found: Labelled) -> str:
    part = found.named.get(found.judged)
    if part and wish.install_as:
        return f"scai evaluate {wish.name} {model_cards.shown(wish.data)} --part {part}"
    return f"the {found.judged} pictures, {wish.name}.tflite, by the command below"


def _limits(wish: Wishes, found: Labelled) -> tuple[str, ...]:
    """What was measured on what, and what not to expect."""
    split = found.judged
    told = {
        TEST: "Measured on test pictures, which were used for nothing else.",
        VALIDATION: "Measured on the validation pictures, by which the suppression of double boxes "
        "and the score to show boxes from were chosen, but no weight was learned from them.",
        TRAIN: "Measured on the very pictures that it learned from: expect less of others.",
    }[split]
    if split == VALIDATION and wish.learn_from_validation:
        told = "Measured on pictures that it learned from as well: expect less of others."
    if split == VALIDATION and wish.keep_best:
        told += " The weights are the best of several on them."
    return (
        told,
        "Measured on pictures of the same collection that it learned from.",
        f"Things under about {wish.image_size // 32} pixels, when the picture's longer side is "
        f"{wish.image_size}, are missed.",
        "It knows its classes and nothing else: what looks like one is taken for one.",
    )


def _listed(names: tuple[str, ...], most: int = 8) -> str:
    more = f" and {len(names) - most} more classes" if len(names) > most else ""
    return ", ".join(names[:most]) + more
