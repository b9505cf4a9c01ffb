"""Teach a network your own classes of pictures: `scai retrain --image_dir DIR`.

With --base, a network that already sees well gives features and a new last layer is learned;
with --from-scratch, a small network is learned from nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tools.common import install
from tools.common.errors import UserError, one_sentence
from tools.datasets import class_folders
from tools.retrain import card
from tools.retrain.wishes import Wishes

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_SHARE = click.IntRange(0, 80)
_STOPPED = (
    "stopped; nothing was written. Features of pictures are kept, so the same command goes on "
    "from there."
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--image_dir", type=Path, required=True, help="Class folders, or a .zip of them.")
@click.option("--out", type=Path, default=Path("retrained"), show_default=True, help="To write.")
@click.option("--base", help=".tflite, .pb, SavedModel, or a name of keras.applications.")
@click.option("--base_layer", default="", help="Operation of a .pb that gives the features.")
@click.option("--base_weights", type=Path, help="Weights of a keras.applications network.")
@click.option("--base_mean", default=127.5, show_default=True, help="What a .pb's input wants.")
@click.option("--base_std", default=127.5, show_default=True, help="What a .pb's input wants.")
@click.option("--from-scratch", "scratch", is_flag=True, help="Learn a small network instead.")
@click.option("--image_size", type=click.IntRange(20, 1024), help="Pixels; from scratch 32.")
@click.option(
    "--bottleneck_dir",
    type=Path,
    default=Path(".cache/bottlenecks"),
    show_default=True,
    help="Where the features of pictures are kept.",
)
@click.option("--augment/--no-augment", default=None, help="Learn from altered pictures too.")
@click.option(
    "--validation_percentage", type=_SHARE, default=10, show_default=True, help="To stop early by."
)
@click.option(
    "--testing_percentage", type=_SHARE, default=10, show_default=True, help="To judge the result."
)
@click.option("--how_many_training_steps", type=click.IntRange(1), help="With a base: 1000.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of steps; from scratch: 20.")
@click.option("--minutes", type=click.FloatRange(0.05), help="From scratch: learn this long.")
@click.option("--learning_rate", type=click.FloatRange(0, min_open=True), help="The highest.")
@click.option(
    "--batch_size", type=click.IntRange(2), default=256, show_default=True, help="Pictures a step."
)
@click.option("--class_weights/--no-class_weights", default=True, help="Rare classes count more.")
@click.option("--mirror", is_flag=True, help="From scratch: the answer also sees the mirror image.")
@click.option(
    "--ensemble",
    type=Path,
    multiple=True,
    help="From scratch: the .keras of an earlier training, whose answers count as much.",
)
@click.option("--bfloat16", is_flag=True, help="From scratch: faster on processors that have it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--resume", is_flag=True, help="From scratch: go on from the checkpoint.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/retrain.npz"),
    show_default=True,
    help="From scratch: where the state is kept.",
)
@click.option("--install", "install_as", help="Add the model to the server's under this name.")
@click.option(
    "--config",
    type=Path,
    default=Path("usr/image_classification.config"),
    show_default=True,
    help="The models file that --install writes to.",
)
@click.option("--force", is_flag=True, help="Replace a section and an --out that are there.")
def main(**flags: Any) -> None:
    """Teach a network the classes of your pictures and write everything a server needs."""
    with one_sentence(stopped=_STOPPED):
        retrain(Wishes(**flags))


def retrain(wish: Wishes) -> None:
    """Learn, write, measure what was written, install. Raises UserError, ScaiError, OSError."""
    check(wish)
    found = class_folders.find(wish.image_dir, wish.validation_percentage, wish.testing_percentage)
    click.echo(f"{len(found.classes)} classes: {card.counted(found.counts())} pictures")
    if wish.scratch:
        from tools.retrain import from_scratch as way
    else:
        from tools.retrain import with_base as way  # type: ignore[no-redef]
    learned = way.learn(wish, found)
    from tools.retrain import written

    lines = written.write(wish, found, learned)
    if wish.install_as:
        install.install(wish.out, wish.config, wish.name, lines, wish.force)
        click.echo(f"{wish.config}: [{wish.name}]")
    else:
        click.echo(f"Add to usr/image_classification.config:\n\n{lines}")


def check(wish: Wishes) -> None:
    """Refuse early what could not be done after an hour of learning. Raises UserError."""
    if bool(wish.base) == wish.scratch:
        raise UserError("expected either --base or --from-scratch.")
    if wish.ensemble and not wish.scratch:
        raise UserError("--ensemble goes with --from-scratch.")
    if not install.NAME.fullmatch(wish.name):
        raise UserError(f"--out {wish.out}: expected a name of letters, digits, - and _.")
    if wish.out.exists() and not wish.force:
        raise UserError(f"--out {wish.out}: is there already; --force replaces it.")
    if wish.install_as:
        install.check(wish.config, wish.install_as, wish.force)
    if wish.validation_percentage + wish.testing_percentage > 90:
        raise UserError("validation and testing take more than 90 percent of the pictures.")


if __name__ == "__main__":
    main()
