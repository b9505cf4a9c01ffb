"""What a model says of one picture: the classes with their scores, best first.

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
from scai.recognition.results import Classification
from tools.common import model_choice
from tools.common.errors import UserError, one_sentence


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--image", type=click.Path(path_type=Path), required=True, help="the picture")
@click.option("--graph", help="model file, in place of GRAPH")
@click.option("--labels", help="label file, in place of LABELS")
@click.option("--input_layer", help="in place of INPUT_LAYER")
@click.option("--output_layer", help="in place of OUTPUT_LAYER")
@click.option("--input_height", type=click.IntRange(1), help="pixels, in place of INPUT_HEIGHT")
@click.option("--input_width", type=click.IntRange(1), help="pixels, in place of INPUT_WIDTH")
@click.option("--input_mean", type=float, help="in place of INPUT_MEAN; 0 counts")
@click.option("--input_std", type=float, help="in place of INPUT_STD")
@click.option("--config", type=click.Path(path_type=Path), help="ini file of the models")
@click.option("--usedconfig", help="section of it (default: default)")
@click.option("--top_k", type=click.IntRange(1), help="how many classes, in place of TOP_K")
@click.option("--engine", help="auto, openvino, litert, tensorflow, in place of ENGINE")
@click.option("--json", "as_json", is_flag=True, help="print JSON, as the server answers")
def main(
    image: Path,
    config: Path | None,
    usedconfig: str | None,
    top_k: int | None,
    engine: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Print what the model sees in a picture: a label and its score a line, best first.

    What no flag states comes from the section; with --graph and --labels, and neither --config nor
    --usedconfig, no section is read, so that no other model's values creep in.
    """
    with one_sentence():
        card = the_card(config, usedconfig, engine, values)
        result = classify(card, image, top_k)
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
        return
    for label, score in zip(result.labels, result.scores, strict=True):
        click.echo(f"{label} {score:.6f}")


def the_card(
    config: Path | None, section: str | None, engine: str | None, values: dict[str, Any]
) -> ModelCard:
    """The model's card from the section, the flags in its place. Raises ConfigError, UserError."""
    known = [AUTO, *plugins.names("engines")]
    if engine is not None and engine not in known:
        raise UserError(f"option --engine: expected one of {', '.join(known)}, got {engine!r}.")
    if values["graph"] and values["labels"] and config is None and section is None:
        card = _bare(values)
    else:
        chosen = settings.load({"usedconfig": section})
        config = config or chosen.models_file(CLASSIFICATION)
        card = load_card(config, chosen.usedconfig, CLASSIFICATION, values)
    return dataclasses.replace(card, engine=engine) if engine else card


def _bare(values: dict[str, Any]) -> ModelCard:
    """A card of the flags alone."""
    given = {key: values[key] for key in OVERRIDES if values[key] is not None}
    for key in ("graph", "labels"):
        given[key] = Path(given[key])
        if not given[key].exists():
            raise UserError(f"option --{key}: expected a file, got {str(given[key])!r}.")
    if given.get("input_std") == 0:
        raise UserError("option --input_std: expected a number other than 0, got 0.")
    return ModelCard(CLASSIFICATION, Path("command line"), "flags", **given)


def classify(card: ModelCard, image: Path, top_k: int | None = None) -> Classification:
    """What the worker would answer for this file. Raises ScaiError."""
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
    assert isinstance(result, Classification)
    return result


if __name__ == "__main__":
    sys.exit(main())
