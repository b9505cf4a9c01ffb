"""Train a small detector for your own classes: `scai train-detector --data DIR`.

DIR holds pictures with boxes in Pascal VOC or COCO format. The network is trained from scratch or
from the weights of an earlier training, on an ordinary processor, where it is fast enough for the
frames of a camera.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tools.common import cards, install
from tools.common.errors import one_sentence
from tools.datasets import labelled_boxes
from tools.datasets.files import open_files
from tools.train_detector.options import TrainingOptions

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_POSITIVE = click.FloatRange(0, min_open=True)
# Options that do not change the result, and those that the card states anyway.
_NOT_ON_CARD = {"data", "out", "resume", "checkpoint", "licence", "install_as", "config", "force"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data", type=Path, required=True, help="Folder or .zip in VOC or COCO format, or a .json."
)
@click.option("--images", type=Path, help="Folder or .zip of the pictures of a COCO .json.")
@click.option(
    "--label_map", type=Path, help="Label file with the order of the classes (default: sorted)."
)
@click.option(
    "--out", type=Path, default=Path("detector"), show_default=True, help="Output folder."
)
@click.option("--start", type=Path, help="Start from the weights.npz of an earlier --out.")
@click.option("--image_size", default=320, show_default=True, help="Side of the input, pixels.")
@click.option(
    "--width",
    type=_POSITIVE,
    default=1.0,
    show_default=True,
    help="Factor on the channels of the network.",
)
@click.option("--epochs", type=click.IntRange(1), help="Passes over all pictures.")
@click.option(
    "--how_many_training_steps", type=click.IntRange(1), help="Number of steps; default 3000."
)
@click.option("--minutes", type=click.FloatRange(0.05), help="Training time, instead of steps.")
@click.option(
    "--batch_size", type=click.IntRange(1), default=16, show_default=True, help="Pictures per step."
)
@click.option(
    "--learning_rate",
    type=_POSITIVE,
    default=2e-3,
    show_default=True,
    help="Highest learning rate.",
)
@click.option(
    "--flip_vertical", is_flag=True, help="Also flip upside down and rotate by 90 degrees."
)
@click.option(
    "--zoom",
    type=click.FloatRange(1, 4),
    default=1.6,
    show_default=True,
    help="Largest random zoom, in and out; 1: none.",
)
@click.option(
    "--mosaic",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    help="Share of the pictures that are mosaics of four.",
)
@click.option(
    "--colour",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Strength of random light, contrast and colour changes.",
)
@click.option(
    "--validation_percentage",
    type=click.IntRange(0, 80),
    default=15,
    show_default=True,
    help="Percentage for validation, if the data names no such pictures.",
)
@click.option(
    "--learn_from_validation", is_flag=True, help="Train on the validation pictures as well."
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    default=0,
    help="Validations without improvement before stopping early; 0: never.",
)
@click.option("--keep_best", is_flag=True, help="Export the best weights, not the last.")
@click.option(
    "--nms_overlap",
    type=click.FloatRange(0, 1),
    help="NMS: suppress a box if its IoU with another is larger "
    "(default: chosen on the validation pictures).",
)
@click.option(
    "--nms_inside",
    type=click.FloatRange(0, 1),
    help="NMS: suppress a box if more than this share of it lies inside another "
    "(default: chosen on the validation pictures).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--bfloat16", is_flag=True, help="Faster on processors with bfloat16.")
@click.option("--resume", is_flag=True, help="Resume from the checkpoint.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/train-detector.npz"),
    show_default=True,
    help="File of the checkpoint.",
)
@click.option(
    "--licence",
    default="that of the pictures",
    show_default=True,
    help="Licence stated on the card.",
)
@click.option("--install", "install_as", help="Install the model on the server under this name.")
@click.option(
    "--config",
    type=Path,
    default=Path("usr/object_detection.config"),
    show_default=True,
    help="Models file that --install writes to.",
)
@click.option("--force", is_flag=True, help="Replace an existing --out and section.")
def main(**flags: Any) -> None:
    """Train a small detector for your classes and write everything that a server needs."""
    with one_sentence(stopped="stopped; nothing was written."):
        train(TrainingOptions(**flags), cards.flags(main.params, flags, _NOT_ON_CARD))


def train(options: TrainingOptions, flags: str) -> None:
    """Read, train, write, evaluate what was written, install.

    flags: those that decide the outcome. Raises UserError.
    """
    options.check()
    with open_files(options.data, options.images) as files:
        labelled = labelled_boxes.find(
            files,
            options.data,
            options.validation_percentage,
            options.label_map,
            options.learn_from_validation,
        )
        counts = cards.count_text(labelled.counts())
        click.echo(f"{len(labelled.classes)} classes: {counts} pictures")
        # TensorFlow takes seconds to load, so bad data is refused before.
        from tools.train_detector import output_folder, training

        detector = training.train(options, labelled, flags)
        lines = output_folder.write(options, labelled, detector)
    install.finish(options, lines)


if __name__ == "__main__":
    main()
