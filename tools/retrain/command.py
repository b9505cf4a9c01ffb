"""Train a classifier of your own pictures: `scai retrain --image_dir DIR`.

With --base, a pretrained network gives features and a new last layer is trained on them; with
--from-scratch, a small network is trained from scratch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tools.common import cards, install
from tools.common.errors import UserError, one_sentence
from tools.datasets import class_folders
from tools.retrain.options import RetrainOptions

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_SHARE = click.IntRange(0, 80)
_STOPPED = (
    "stopped; nothing was written. Features of pictures are kept, so the same command goes on "
    "from there."
)
# Options that do not change the result, and those that the card states anyway.
_NOT_ON_CARD = {
    *("image_dir", "out", "bottleneck_dir", "resume", "checkpoint"),
    *("install_as", "config", "force"),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--image_dir", type=Path, required=True, help="Folder or .zip of class folders.")
@click.option(
    "--out", type=Path, default=Path("retrained"), show_default=True, help="Output folder."
)
@click.option("--base", help=".tflite, .pb, SavedModel, or a name of keras.applications.")
@click.option("--base_layer", default="", help="Operation of a .pb that outputs the features.")
@click.option("--base_weights", type=Path, help="Weights of a keras.applications network.")
@click.option("--base_mean", default=127.5, show_default=True, help="Input mean of a .pb base.")
@click.option(
    "--base_std", default=127.5, show_default=True, help="Input standard deviation of a .pb base."
)
@click.option("--from-scratch", "scratch", is_flag=True, help="Train a small network instead.")
@click.option(
    "--image_size",
    type=click.IntRange(20, 1024),
    help="Side of the input, pixels; from scratch: 32.",
)
@click.option(
    "--bottleneck_dir",
    type=Path,
    default=Path(".cache/bottlenecks"),
    show_default=True,
    help="Cache of the features of pictures.",
)
@click.option("--augment/--no-augment", default=None, help="Also train on augmented pictures.")
@click.option(
    "--validation_percentage",
    type=_SHARE,
    default=10,
    show_default=True,
    help="Percentage of pictures for validation.",
)
@click.option(
    "--testing_percentage",
    type=_SHARE,
    default=10,
    show_default=True,
    help="Percentage for testing.",
)
@click.option(
    "--how_many_training_steps", type=click.IntRange(1), help="Number of steps; with a base: 1000."
)
@click.option(
    "--epochs", type=click.IntRange(1), help="Passes over all pictures; from scratch: 20."
)
@click.option("--minutes", type=click.FloatRange(0.05), help="From scratch: training time.")
@click.option(
    "--learning_rate", type=click.FloatRange(0, min_open=True), help="Highest learning rate."
)
@click.option(
    "--batch_size",
    type=click.IntRange(2),
    default=256,
    show_default=True,
    help="Pictures per step.",
)
@click.option(
    "--class_weights/--no-class_weights", default=True, help="Give rare classes more weight."
)
@click.option("--mirror", is_flag=True, help="From scratch: also average over the mirror image.")
@click.option(
    "--ensemble",
    type=Path,
    multiple=True,
    help="From scratch: .keras of an earlier training whose answers are averaged in.",
)
@click.option("--bfloat16", is_flag=True, help="From scratch: faster on processors with bfloat16.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--resume", is_flag=True, help="From scratch: resume from the checkpoint.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/retrain.npz"),
    show_default=True,
    help="From scratch: file of the checkpoint.",
)
@click.option("--install", "install_as", help="Install the model on the server under this name.")
@click.option(
    "--config",
    type=Path,
    default=Path("usr/image_classification.config"),
    show_default=True,
    help="Models file that --install writes to.",
)
@click.option("--force", is_flag=True, help="Replace an existing --out and section.")
def main(**flags: Any) -> None:
    """Train a classifier of your own pictures and write everything that a server needs."""
    with one_sentence(stopped=_STOPPED):
        options = RetrainOptions(**flags)
        retrain(options, cards.flags(main.params, flags, _NOT_ON_CARD))


def retrain(options: RetrainOptions, flags: str) -> None:
    """Train, write, evaluate what was written, install.

    flags: those that decide the outcome. Raises UserError, ScaiError, OSError.
    """
    check(options)
    pictures = class_folders.find(
        options.image_dir, options.validation_percentage, options.testing_percentage
    )
    counts = cards.count_text(pictures.counts())
    click.echo(f"{len(pictures.classes)} classes: {counts} pictures")
    # TensorFlow takes seconds to load, so bad options are refused before.
    from tools.retrain import from_scratch, output_folder, with_base

    train = from_scratch.train if options.scratch else with_base.train
    classifier = train(options, pictures, flags)
    lines = output_folder.write(options, pictures, classifier)
    install.finish(options, lines)


def check(options: RetrainOptions) -> None:
    """Refuse early what could not be done after an hour of training. Raises UserError."""
    if bool(options.base) == options.scratch:
        raise UserError("expected either --base or --from-scratch.")
    if options.ensemble and not options.scratch:
        raise UserError("--ensemble goes with --from-scratch.")
    install.check(options)
    if options.validation_percentage + options.testing_percentage > 90:
        raise UserError("validation and testing take more than 90 percent of the pictures.")


if __name__ == "__main__":
    main()
