"""Train a small network of your own on MNIST.

python -m examples.mnist.train --data mnist --epochs 3 --out my-mnist
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
    """A network that turns grey pictures of 28x28 pixels, 0..255, into a probability per class."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            # Since this layer scales the pixels, the server must not (INPUT_STD = 1).
            layers.Rescaling(1 / 255),
            # Nobody writes exactly in the middle, nor exactly upright. These layers alter the
            # pictures in each epoch, during training only. Digits must not be mirrored, unlike
            # pictures of things: a mirrored 3 is not a digit.
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.RandomRotation(0.03, fill_mode="constant"),
            # MNIST is white on black, paper is not, so every second picture is inverted.
            layers.RandomInvert((0.5, 0.5), value_range=(0, 1)),
            *block(16),
            *block(32),
            *block(64),
            layers.Flatten(),
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
    "--data", type=Path, default=Path("mnist"), show_default=True, help="Folder with the pictures."
)
@click.option("--epochs", default=3, show_default=True, help="Passes over all pictures.")
@click.option(
    "--out", type=Path, default=Path("my-mnist"), show_default=True, help="Output folder."
)
def main(data: Path, epochs: int, out: Path) -> None:
    """Train on DATA/train, evaluate on DATA/test, write OUT/model.keras and OUT/labels.txt."""
    images, labels, classes = read(data / "train", "L")
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
    # A twentieth is set aside for validation after each epoch (val_accuracy).
    model.fit(images, labels, batch_size=64, epochs=epochs, validation_split=0.05)

    # Only pictures that it was not trained on show how good it is.
    images, labels, _ = read(data / "test", "L")
    accuracy = model.evaluate(images, labels, verbose=0)[1]
    click.echo(f"{accuracy:.2%} of {len(images)} test pictures are right")

    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.keras")
    # The network numbers its classes; this file names them.
    (out / "labels.txt").write_text("\n".join(classes) + "\n")
    click.echo(f"{out}: model.keras, labels.txt")


if __name__ == "__main__":
    main()
