"""How good models are on labelled pictures, side by side, run as the workers run them.

scai evaluate digits digits@openvino mnist.zip
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.recognition.recognizer import Options
from tools.common import model_choice
from tools.common.errors import UserError, one_sentence
from tools.common.files import publish
from tools.datasets import boxes, layouts
from tools.datasets.files import Files, open_files
from tools.datasets.samples import DataSet
from tools.evaluate import scores
from tools.evaluate.judging import ask, matches
from tools.evaluate.report import Judged, as_dict, report

LEAST_SCORE = 0.01  # a curve needs the doubtful boxes too
MOST_BOXES = 100
MOST_NAMED = 5  # names in one sentence
SHORT = {"classification": CLASSIFICATION, "detection": DETECTION}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(list(SHORT)), help="where the data does not tell it")
@click.option(
    "--part", default="", help="train, val, test or all (default: test, else val, else all)"
)
@click.option("--images", type=click.Path(path_type=Path), help="pictures of a COCO .json")
@click.option("--limit", type=click.IntRange(1), help="at most so many pictures, spread over all")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="at once")
@click.option("--ignore-missing", is_flag=True, help="leave out classes that a model lacks")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="write all numbers here")
@click.option("--plots", type=click.Path(path_type=Path), help="write diagrams into this folder")
def main(
    models: tuple[str, ...],
    data: Path,
    kind: str | None,
    part: str,
    images: Path | None,
    limit: int | None,
    batch: int,
    ignore_missing: bool,
    json_file: Path | None,
    plots: Path | None,
) -> None:
    """Judge MODELs by the labelled pictures of DATA, side by side.

    MODEL is a section of usr/*.config or path.config:section, with @engine behind it for another
    engine. DATA is a folder or .zip: a folder of pictures for each class, Pascal VOC, or COCO
    (which may be its .json).
    """
    with one_sentence(), open_files(data, images) as files:
        found = _data(files, data, SHORT.get(kind or "", ""), part)
        choices = [model_choice.parse(text) for text in models]
        cards = [model_choice.card(choice, found.kind) for choice in choices]
        found = fitting(found, dict(zip(models, cards, strict=True)), ignore_missing)
        found = found.limited(limit) if limit else found
        judged = [judge(name, card, found, batch) for name, card in zip(models, cards, strict=True)]
        click.echo("\n".join(report(judged, found, data)))
        if json_file is not None:
            publish(json_file, json.dumps(as_dict(judged, found, data), indent=1) + "\n")
        if plots is not None:
            # It loads Matplotlib, which nothing else here needs.
            from tools.evaluate.plots import draw

            for path in draw([(j.name, j.scores) for j in judged], plots):
                click.echo(f"wrote {path}")


def _data(files: Files, path: Path, kind: str, part: str) -> DataSet:
    if path.suffix.lower() == ".json":
        if kind == CLASSIFICATION:
            raise UserError(f"{path}: COCO is data for detection.")
        return boxes.load_coco(path, files)
    return layouts.load(files, kind, part)


def fitting(data: DataSet, cards: dict[str, ModelCard], ignore_missing: bool) -> DataSet:
    """The data without the classes that a model lacks. Raises UserError unless they may go."""
    gone: set[str] = set()
    for name, card in cards.items():
        labels = model_choice.label_names(card)
        if labels is None:
            continue
        known = set(matches(labels, data.classes).values())
        lacks = [c for place, c in enumerate(data.classes) if place not in known]
        if lacks and not ignore_missing:
            raise UserError(
                f"{name}: {len(lacks)} of the data's {len(data.classes)} classes are not in "
                f"{card.labels}: {_some(lacks)}; --ignore-missing leaves them out."
            )
        gone.update(lacks)
    if not gone:
        return data
    click.echo(f"left out, as a model lacks them: {', '.join(sorted(gone))}", err=True)
    return data.without(gone)


def judge(name: str, card: ModelCard, data: DataSet, batch: int) -> Judged:
    """Load a model, let it see the pictures, and close it. Raises ScaiError."""
    recognizer = model_choice.build(card, batch)
    labels = model_choice.label_names(card)
    options = (
        Options(threshold=LEAST_SCORE, top_k=MOST_BOXES)
        if data.kind == DETECTION
        else Options(top_k=scores.TOP)
    )
    try:
        hidden = not sys.stderr.isatty()
        with click.progressbar(
            length=len(data), label=name, show_pos=True, file=sys.stderr, hidden=hidden
        ) as bar:
            answers = ask(recognizer, data, options, batch, bar.update)
        engine = recognizer.engine.name
    finally:
        recognizer.close()
    if not answers.samples:
        first = next(iter(answers.unreadable.values()), "none is there")
        raise UserError(f"none of {len(data)} pictures could be read: {first}.")
    if labels is None:
        labels = [label for result in answers.results for label in result.labels]
    places = matches(labels, data.classes)
    of_kind = scores.of_detector if data.kind == DETECTION else scores.of_classifier
    found = of_kind(answers.samples, answers.results, data.classes, places)
    return Judged(name, engine, answers, found)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


if __name__ == "__main__":
    sys.exit(main())
