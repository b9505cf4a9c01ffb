"""Teach a small detector your own classes of things: `scai train-detector --data DIR`.

DIR holds pictures with boxes, as Pascal VOC or COCO have them. The network is learned from nothing
or from weights of an earlier training, on an ordinary processor, and is quick enough there to
watch a camera.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tools.common import cards, install
from tools.common.errors import UserError, one_sentence
from tools.datasets import labelled_boxes as boxes
from tools.datasets.files import open_files

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_POSITIVE = click.FloatRange(0, min_open=True)
# Flags that do not change what is learned, and those that each command states anyway.
_NOT_TOLD = {"data", "out", "resume", "checkpoint", "licence", "install_as", "config", "force"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=Path, required=True, help="Folder or .zip of VOC or COCO; or a .json.")
@click.option("--images", type=Path, help="Folder or .zip of the pictures of a COCO .json.")
@click.option("--label_map", type=Path, help="Names the classes in their order; else sorted.")
@click.option("--out", type=Path, default=Path("detector"), show_default=True, help="To write.")
@click.option("--start", type=Path, help="Go on from the weights.npz of an earlier --out.")
@click.option("--image_size", default=320, show_default=True, help="Side of the input, pixels.")
@click.option("--width", type=_POSITIVE, default=1.0, show_default=True, help="Of the network.")
@click.option("--epochs", type=click.IntRange(1), help="How often each picture is seen.")
@click.option("--how_many_training_steps", type=click.IntRange(1), help="Batches; else 3000.")
@click.option("--minutes", type=click.FloatRange(0.05), help="Learn this long instead.")
@click.option(
    "--batch_size", type=click.IntRange(1), default=16, show_default=True, help="Pictures a step."
)
@click.option("--learning_rate", type=_POSITIVE, default=2e-3, show_default=True, help="Highest.")
@click.option("--flip_vertical", is_flag=True, help="Pictures have no up: turn them all ways.")
@click.option(
    "--zoom",
    type=click.FloatRange(1, 4),
    default=1.6,
    show_default=True,
    help="Things are shown up to so much larger and smaller; 1: as they are.",
)
@click.option(
    "--mosaic",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    help="Share of the pictures that are put together of four.",
)
@click.option(
    "--colour",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="How much light, contrast and colours are altered.",
)
@click.option(
    "--validation_percentage",
    type=click.IntRange(0, 80),
    default=15,
    show_default=True,
    help="To judge by, where the data names no such pictures.",
)
@click.option("--learn_from_validation", is_flag=True, help="Learn from these pictures as well.")
@click.option("--patience", type=click.IntRange(0), default=0, help="Stop early after so many.")
@click.option("--keep_best", is_flag=True, help="Export the best weights, not the last.")
@click.option("--nms_overlap", type=click.FloatRange(0, 1), help="Else chosen on validation.")
@click.option("--nms_inside", type=click.FloatRange(0, 1), help="Else chosen on validation.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--bfloat16", is_flag=True, help="Faster on processors that have it.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/train-detector.npz"),
    show_default=True,
    help="Where the state is kept.",
)
@click.option(
    "--licence", default="that of the pictures", show_default=True, help="For the card to tell."
)
@click.option("--install", "install_as", help="Add the model to the server's under this name.")
@click.option(
    "--config",
    type=Path,
    default=Path("usr/object_detection.config"),
    show_default=True,
    help="The models file that --install writes to.",
)
@click.option("--force", is_flag=True, help="Replace a section and an --out that are there.")
def main(**flags: Any) -> None:
    """Teach a small detector your classes and write everything a server needs."""
    with one_sentence(stopped="stopped; nothing was written."):
        train(Wishes(**flags))


@dataclass(frozen=True)
class Wishes:
    """The command line."""

    data: Path
    images: Path | None
    label_map: Path | None
    out: Path
    start: Path | None
    image_size: int
    width: float
    epochs: int | None
    how_many_training_steps: int | None
    minutes: float | None
    batch_size: int
    learning_rate: float
    flip_vertical: bool
    zoom: float
    mosaic: float
    colour: float
    validation_percentage: int
    learn_from_validation: bool
    patience: int
    keep_best: bool
    nms_overlap: float | None
    nms_inside: float | None
    seed: int
    bfloat16: bool
    resume: bool
    checkpoint: Path
    licence: str
    install_as: str | None
    config: Path
    force: bool

    @property
    def name(self) -> str:
        return self.install_as or self.out.name

    def told(self) -> str:
        """The flags that decide the outcome, as they were given."""
        words = []
        for option in main.params:
            value = getattr(self, option.name or "")
            if option.name in _NOT_TOLD or value in (None, option.default) or value is False:
                continue
            shown = cards.shown(value) if isinstance(value, Path) else value
            words.append(option.opts[0] if value is True else f"{option.opts[0]} {shown}")
        return " ".join(words)

    def check(self) -> None:
        """Refuse early what could not be written after an hour of learning. Raises UserError."""
        if self.install_as:
            install.check(self.config, self.install_as, self.force)
        if not install.NAME.fullmatch(self.name):
            raise UserError(f"--out {self.out}: expected a name of letters, digits, - and _.")
        if self.image_size < 64 or self.image_size % 32:
            raise UserError(f"--image_size {self.image_size}: expected 64, 96, 128, ...")
        if sum(map(bool, (self.epochs, self.how_many_training_steps, self.minutes))) > 1:
            raise UserError("expected one of --epochs, --how_many_training_steps and --minutes.")
        if self.out.exists() and not self.force:
            raise UserError(f"--out {self.out}: is there already; --force replaces it.")


def train(wish: Wishes) -> None:
    """Read, learn, write, measure what was written, install. Raises UserError."""
    wish.check()
    with open_files(wish.data, wish.images) as files:
        found = boxes.find(
            files,
            wish.data,
            wish.validation_percentage,
            wish.label_map,
            wish.learn_from_validation,
        )
        counts = ", ".join(f"{n} {split}" for split, n in found.counts().items())
        click.echo(f"{len(found.classes)} classes: {counts} pictures")
        # From here on TensorFlow is needed, which takes seconds to load.
        from tools.train_detector import finishing, learning

        learned = learning.learn(wish, found)
        lines = finishing.write(wish, found, learned)
    if wish.install_as:
        install.install(wish.out, wish.config, wish.name, lines, wish.force)
        click.echo(f"{wish.config}: [{wish.name}]")
    else:
        click.echo(f"Add to usr/object_detection.config:\n\n{lines}")


if __name__ == "__main__":
    main()
