"""A trained network with 8 or 16 bits a number: smaller, often faster, and how much worse.

scai quantize flowers/flowers.keras --mode int8 --calibration pictures/ --out flowers-int8
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tools.common.errors import one_sentence
from tools.common.quiet import quiet
from tools.shrink.wish import MODES, RESIZE, SHORT, Wish

_PATH = click.Path(path_type=Path)
_SIDE = click.IntRange(1, 4096)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option("--out", type=_PATH, required=True, help="folder, or a .tflite for one --mode")
@click.option("--mode", "modes", type=click.Choice(MODES), multiple=True, help="several allowed")
@click.option("--calibration", type=_PATH, help="pictures for int8: a folder or .zip")
@click.option(
    "--calibration_limit",
    type=click.IntRange(1, 1000),
    default=200,
    show_default=True,
    help="at most so many of them, spread over all",
)
@click.option("--data", type=_PATH, help="labelled pictures to judge with, as for scai evaluate")
@click.option("--part", default="", help="train, val, test or all of --data")
@click.option("--limit", type=click.IntRange(1), help="at most so many pictures of --data")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="at once")
@click.option(
    "--io",
    type=click.Choice(["float32", "uint8"]),
    default="float32",
    show_default=True,
    help="input and output of int8",
)
@click.option("--kind", type=click.Choice(list(SHORT)), help="where the model does not tell it")
@click.option("--labels", type=_PATH, help="label file, in place of the model's")
@click.option("--input_layer", default="", help="in place of INPUT_LAYER; else guessed")
@click.option("--output_layer", default="", help="in place of OUTPUT_LAYER; else guessed")
@click.option("--input_height", type=_SIDE, help="pixels, where the model takes any size")
@click.option("--input_width", type=_SIDE, help="pixels, where the model takes any size")
@click.option("--input_mean", type=float, help="in place of INPUT_MEAN; 0 counts")
@click.option("--input_std", type=float, help="in place of INPUT_STD")
@click.option("--resize", type=click.Choice(RESIZE), help="in place of RESIZE")
@click.option("--install", "install_as", default="", help="add it to the server's models as this")
@click.option("--config", type=_PATH, help="models file that --install writes to")
@click.option("--force", is_flag=True, help="replace a section and an --out that are there")
def main(**flags: Any) -> None:
    """Quantise MODEL after its training, and show what it costs and what it brings.

    MODEL is a SavedModel folder, a .keras file, a frozen .pb, or a section of usr/*.config.
    """
    with one_sentence(stopped="stopped; nothing was written."), quiet():
        from tools.shrink.quantizing import quantize

        quantize(Wish(**flags))


if __name__ == "__main__":
    sys.exit(main())
