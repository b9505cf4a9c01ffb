"""Train a small network of your own on CIFAR-10.

python -m examples.cifar10.train --data cifar10 --epochs 8 --out my-cifar10
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from examples.class_folders import read

# Fewer messages from TensorFlow; this has to be set before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
from keras import layers  # noqa: E402


def network(classes: int) -> keras.Model:
    """A network that turns pictures of 32x32 pixels, 0..255, into a probability for each class."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            # Networks learn best from numbers around 0. Since this layer scales the pixels, the
            # server must not (INPUT_STD = 1).
            layers.Rescaling(1 / 127.5, offset=-1),
            # These two alter each picture a little in each epoch, so that the network does not
            # learn the training pictures by heart. They are active during training only.
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1),
            *block(32),
            *block(64),
            *block(128),
            # It matters which patterns are in the picture, not where.
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def block(filters: int) -> list[keras.Layer]:
    """Look for patterns of 3x3 pixels, then halve the width and height."""
    return [
        layers.Conv2D(filters, 3, padding="same"),
        layers.MaxPooling2D(),
        # Keeps the numbers between the layers around 0; without it, training takes far longer.
        layers.BatchNormalization(),
        layers.ReLU(),
    ]


@click.command()
@click.option(
    "--data",
    type=Path,
    default=Path("cifar10"),
    show_default=True,
    help="Folder with the pictures.",
)
@click.option("--epochs", default=8, show_default=True, help="Passes over all pictures.")
@click.option(
    "--out", type=Path, default=Path("my-cifar10"), show_default=True, help="Output folder."
)
def main(data: Path, epochs: int, out: Path) -> None:
    """Train on DATA/train, evaluate on DATA/test, write OUT/model.keras and OUT/labels.txt."""
    images, labels, classes = read(data / "train", "RGB")
    keras.utils.set_random_seed(0)
    model = network(len(classes))
    # The learning rate falls to zero, so that the training ends near a minimum.
    steps = epochs * len(images) // 64
    rate = keras.optimizers.schedules.CosineDecay(0.003, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # A twentieth is set aside for validation after each epoch (val_accuracy). If it stays below the
    # accuracy, the network learns the training pictures by heart.
    model.fit(images, labels, batch_size=64, epochs=epochs, validation_split=0.05)

    # Only pictures that it was not trained on show how good it is.
    images, labels, _ = read(data / "test", "RGB")
    accuracy = model.evaluate(images, labels, verbose=0)[1]
    click.echo(f"{accuracy:.1%} of {len(images)} test pictures are right")

    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.keras")
    # The network numbers its classes; this file names them.
    (out / "labels.txt").write_text("\n".join(classes) + "\n")
    click.echo(f"{out}: model.keras, labels.txt")


if __name__ == "__main__":
    main()
