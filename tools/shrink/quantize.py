"""The `scai quantize` command: smaller, often faster models of 8 or 16 bits, and their loss.

scai quantize flowers/flowers.keras --mode int8 --calibration pictures/ --out flowers-int8
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tools.common import cards
from tools.common.errors import one_sentence
from tools.common.quiet import quiet
from tools.shrink.options import MODES, RESIZE, SHORT, QuantizeOptions

_PATH = click.Path(path_type=Path)
# Options that do not change the models.
_NOT_ON_CARD = {"install_as", "config", "force"}
_SIDE = click.IntRange(1, 4096)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option(
    "--out", type=_PATH, required=True, help="Output folder, or a .tflite file for one --mode."
)
@click.option(
    "--mode", "modes", type=click.Choice(MODES), multiple=True, help="Number format. Repeatable."
)
@click.option(
    "--calibration", type=_PATH, help="Pictures to calibrate int8 with, a folder or .zip."
)
@click.option(
    "--calibration_limit",
    type=click.IntRange(1, 1000),
    default=200,
    show_default=True,
    help="Maximum number of calibration pictures.",
)
@click.option(
    "--data", type=_PATH, help="Labelled pictures to evaluate with, as for scai evaluate."
)
@click.option("--part", default="", help="Part of --data: train, val, test or all.")
@click.option("--limit", type=click.IntRange(1), help="Maximum number of pictures of --data.")
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Pictures per inference batch.",
)
@click.option(
    "--io",
    type=click.Choice(["float32", "uint8"]),
    default="float32",
    show_default=True,
    help="Type of input and outputs of int8 models.",
)
@click.option(
    "--kind",
    type=click.Choice(list(SHORT)),
    help="Task of the model, if it cannot be inferred from the model.",
)
@click.option("--labels", type=_PATH, help="Label file; replaces the model's.")
@click.option("--input_layer", default="", help="Replaces INPUT_LAYER (default: guessed).")
@click.option("--output_layer", default="", help="Replaces OUTPUT_LAYER (default: guessed).")
@click.option("--input_height", type=_SIDE, help="Pixels, where the model takes any size.")
@click.option("--input_width", type=_SIDE, help="Pixels, where the model takes any size.")
@click.option("--input_mean", type=float, help="Replaces INPUT_MEAN.")
@click.option("--input_std", type=float, help="Replaces INPUT_STD.")
@click.option("--resize", type=click.Choice(RESIZE), help="Replaces RESIZE.")
@click.option("--install", "install_as", default="", help="Install the model under this name.")
@click.option("--config", type=_PATH, help="Models file that --install writes to.")
@click.option("--force", is_flag=True, help="Replace an existing --out and section.")
def main(**flags: Any) -> None:
    """Quantise MODEL after training, and compare quality, size and speed.

    MODEL is a SavedModel folder, a .keras file, a frozen .pb, or a section of usr/*.config.
    """
    with one_sentence(stopped="stopped; nothing was written."), quiet():
        from tools.shrink.quantizing import quantize

        command = f"scai quantize {cards.flags(main.params, flags, _NOT_ON_CARD)}"
        quantize(QuantizeOptions(**flags), command)


if __name__ == "__main__":
    sys.exit(main())
