"""The `scai label-image` command: the classes of one picture with their scores, best first.

scai label-image --image cat.jpg --graph retrained_graph.pb --labels retrained_labels.txt
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from scai import plugins, settings
from scai.errors import BadImage
from scai.models.cards import AUTO, CLASSIFICATION, OVERRIDES, ModelCard, load_card
from scai.pictures.pixels import decode
from scai.recognition.recognizer import Options
from scai.recognition.results import Classification, as_classification
from tools.common import model_choice
from tools.common.errors import UserError, one_sentence


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--image", type=click.Path(path_type=Path), required=True, help="Picture to classify."
)
@click.option("--graph", help="Model file; replaces GRAPH.")
@click.option("--labels", help="Label file; replaces LABELS.")
@click.option("--input_layer", help="Replaces INPUT_LAYER.")
@click.option("--output_layer", help="Replaces OUTPUT_LAYER.")
@click.option("--input_height", type=click.IntRange(1), help="Pixels; replaces INPUT_HEIGHT.")
@click.option("--input_width", type=click.IntRange(1), help="Pixels; replaces INPUT_WIDTH.")
@click.option("--input_mean", type=float, help="Replaces INPUT_MEAN.")
@click.option("--input_std", type=float, help="Replaces INPUT_STD.")
@click.option("--config", type=click.Path(path_type=Path), help="Models file.")
@click.option("--usedconfig", help="Section of the models file (default: default).")
@click.option("--top_k", type=click.IntRange(1), help="Number of classes to print; replaces TOP_K.")
@click.option("--engine", help="Engine: auto, openvino, litert or tensorflow; replaces ENGINE.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as the server answers.")
def main(
    image: Path,
    config: Path | None,
    usedconfig: str | None,
    top_k: int | None,
    engine: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Classify a picture and print one label with its score per line, best first.

    Values without an option come from the section. With --graph and --labels, but neither --config
    nor --usedconfig, no section is read, because it would describe another model.
    """
    with one_sentence():
        card = card_of(config, usedconfig, engine, values)
        result = classify(card, image, top_k)
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
        return
    for label, score in zip(result.labels, result.scores, strict=True):
        click.echo(f"{label} {score:.6f}")


def card_of(
    config: Path | None, section: str | None, engine: str | None, values: dict[str, Any]
) -> ModelCard:
    """Read the card from the section; options override it. Raises ConfigError, UserError."""
    engines = [AUTO, *plugins.names("engines")]
    if engine is not None and engine not in engines:
        raise UserError(f"option --engine: expected one of {', '.join(engines)}, got {engine!r}.")
    if values["graph"] and values["labels"] and config is None and section is None:
        card = _bare(values)
    else:
        server = settings.load({"usedconfig": section})
        config = config or server.models_file(CLASSIFICATION)
        card = load_card(config, server.usedconfig, CLASSIFICATION, values)
    return dataclasses.replace(card, engine=engine) if engine else card


def _bare(values: dict[str, Any]) -> ModelCard:
    """Make a card from the options alone. Raises UserError."""
    fields = {key: values[key] for key in OVERRIDES if values[key] is not None}
    for key in ("graph", "labels"):
        fields[key] = Path(fields[key])
        if not fields[key].exists():
            raise UserError(f"option --{key}: expected a file, got {str(fields[key])!r}.")
    if fields.get("input_std") == 0:
        raise UserError("option --input_std: expected a number other than 0, got 0.")
    return ModelCard(CLASSIFICATION, Path("command line"), "flags", **fields)


def classify(card: ModelCard, image: Path, top_k: int | None = None) -> Classification:
    """Classify a picture file as the worker does. Raises ScaiError."""
    try:
        pixels = decode(image.read_bytes())
    except OSError as error:
        raise BadImage(f"{image}: {error.strerror}") from error
    except BadImage as error:
        raise BadImage(f"{image}: {error.message}") from error
    recognizer = model_choice.build(card, batch=1)
    try:
        [result] = recognizer.recognize([pixels], [Options(top_k=top_k)])
    finally:
        recognizer.close()
    return as_classification(result)


if __name__ == "__main__":
    sys.exit(main())
