"""The `scai evaluate` command: models side by side on labelled pictures.

scai evaluate digits digits@openvino mnist.zip
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from scai.models.cards import CLASSIFICATION, DETECTION
from tools.common import model_choice
from tools.common.errors import UserError, one_sentence
from tools.common.files import publish
from tools.datasets import annotation_formats, data_sets
from tools.datasets.files import Files, open_files
from tools.datasets.samples import DataSet
from tools.evaluate.evaluation import evaluate_model, without_missing_classes
from tools.evaluate.report import as_dict, report

SHORT = {"classification": CLASSIFICATION, "detection": DETECTION}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(list(SHORT)),
    help="Task to evaluate, if it cannot be inferred from the data.",
)
@click.option(
    "--part",
    default="",
    help="Part of the data: train, val, test or all (default: test, else val, else all).",
)
@click.option(
    "--images", type=click.Path(path_type=Path), help="Folder of the pictures of a COCO .json."
)
@click.option("--limit", type=click.IntRange(1), help="Maximum number of pictures.")
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Pictures per inference batch.",
)
@click.option("--ignore-missing", is_flag=True, help="Leave out classes that a model lacks.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    help="Write all figures to this JSON file.",
)
@click.option("--plots", type=click.Path(path_type=Path), help="Write diagrams into this folder.")
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
    """Evaluate MODELs on the labelled pictures of DATA, side by side.

    MODEL is a section of usr/*.config or path.config:section; append @engine to choose another
    engine. DATA is a folder or .zip: a folder of pictures for each class, Pascal VOC, or COCO
    (which may be its .json).
    """
    with one_sentence(), open_files(data, images) as files:
        dataset = load_data(files, data, SHORT.get(kind or "", ""), part)
        choices = [model_choice.parse(text) for text in models]
        cards = [model_choice.card(choice, dataset.kind) for choice in choices]
        dataset = without_missing_classes(
            dataset, dict(zip(models, cards, strict=True)), ignore_missing
        )
        dataset = dataset.limited(limit) if limit else dataset
        evaluations = [
            evaluate_model(name, card, dataset, batch)
            for name, card in zip(models, cards, strict=True)
        ]
        click.echo("\n".join(report(evaluations, dataset, data)))
        if json_file is not None:
            publish(json_file, json.dumps(as_dict(evaluations, dataset, data), indent=1) + "\n")
        if plots is not None:
            # It loads Matplotlib, which nothing else here needs.
            from tools.evaluate.plots import draw

            for path in draw([(e.name, e.scores) for e in evaluations], plots):
                click.echo(f"wrote {path}")


def load_data(files: Files, path: Path, kind: str, part: str) -> DataSet:
    """Read the labelled pictures at `path`, a folder, a ZIP or a COCO file. Raises UserError."""
    if path.suffix.lower() == ".json":
        if kind == CLASSIFICATION:
            raise UserError(f"{path}: COCO is data for detection.")
        return annotation_formats.load_coco(path, files)
    return data_sets.load(files, kind, part)


if __name__ == "__main__":
    sys.exit(main())
