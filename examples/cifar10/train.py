"""Train a small network of your own on CIFAR-10.

python -m examples.cifar10.train --data cifar10 --epochs 8 --out my-cifar10
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from examples.class_folders import read

# TensorFlow is talkative; this must stand before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
from keras import layers  # noqa: E402


def network(classes: int) -> keras.Model:
    """A network that turns pictures of 32x32 pixels, 0..255, into a probability for each class."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            # Networks learn best from numbers around 0. Since this one scales the pixels itself,
            # the server is told to leave them alone (INPUT_STD = 1).
            layers.Rescaling(1 / 127.5, offset=-1),
            # These two alter each picture a little, and anew in each epoch, so that the network
            # learns what a horse is and not these horses by heart. They work while it learns only.
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1),
            *block(32),
            *block(64),
            *block(128),
            # What was seen matters, not where.
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def block(filters: int) -> list[keras.Layer]:
    """Look for patterns of 3x3 pixels, then go on with half the pixels and coarser patterns."""
    return [
        layers.Conv2D(filters, 3, padding="same"),
        layers.MaxPooling2D(),
        # Keeps the numbers around 0 in between, too; without it, learning takes far longer.
        layers.BatchNormalization(),
        layers.ReLU(),
    ]


@click.command()
@click.option("--data", type=Path, default=Path("cifar10"), show_default=True, help="Folders.")
@click.option("--epochs", default=8, show_default=True, help="How often to see each picture.")
@click.option("--out", type=Path, default=Path("my-cifar10"), show_default=True, help="To write.")
def main(data: Path, epochs: int, out: Path) -> None:
    """Learn from DATA/train, judge by DATA/test, write OUT/model.keras and OUT/labels.txt."""
    images, labels, classes = read(data / "train", "RGB")
    keras.utils.set_random_seed(0)
    model = network(len(classes))
    # Steps of learning become smaller and smaller, so that it ends in a good place.
    steps = epochs * len(images) // 64
    rate = keras.optimizers.schedules.CosineDecay(0.003, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # A twentieth is put aside to ask after each epoch (val_accuracy). Once that falls behind the
    # accuracy for long, the network is learning by heart.
    model.fit(images, labels, batch_size=64, epochs=epochs, validation_split=0.05)

    # Only pictures that it has never seen tell how good it is.
    images, labels, _ = read(data / "test", "RGB")
    accuracy = model.evaluate(images, labels, verbose=0)[1]
    click.echo(f"{accuracy:.1%} of {len(images)} test pictures are right")

    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.keras")
    # The network numbers its answers; this file gives the numbers their names.
    (out / "labels.txt").write_text("\n".join(classes) + "\n")
    click.echo(f"{out}: model.keras, labels.txt")


if __name__ == "__main__":
    main()
