"""Train `digits`, the handwritten-digit classifier that ships with SCAI.

python -m tools.digits.train_classifier --data mnist.zip --out usr/models/digits
"""

import os
import sys
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

from tools.common import cards, files
from tools.datasets import mnist
from tools.digits import classifier as digit_classifier
from tools.digits import measure, photos, plots
from tools.network_files import export as export_models
from tools.training import loop
from tools.training.checkpoint import diary_of  # noqa: E402

BATCH = 128  # pictures


@click.command()
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--out", type=Path, required=True, help="Directory for the model's files.")
@click.option("--epochs", type=click.IntRange(1), default=14, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--bfloat16", is_flag=True, help="Faster on processors that have bfloat16.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/train-digits.npz"),
    show_default=True,
    help="File to keep the state of the training in.",
)
def main(
    data: Path, out: Path, epochs: int, seed: int, resume: bool, bfloat16: bool, checkpoint: Path
) -> None:
    """Train the digit classifier on MNIST and write the model, its labels and its card."""
    train_set = mnist.load(data, "train")
    test_set = mnist.load(data, "test")
    tf.get_logger().setLevel("ERROR")
    tf.keras.utils.set_random_seed(seed)
    if bfloat16:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = digit_classifier.build()
    plan = loop.Plan(steps=epochs * len(train_set) // BATCH, seed=seed)
    click.echo(f"{len(train_set)} digits, {model.count_params()} weights, {plan.steps} steps")

    def make(rng: np.random.Generator, _: int) -> loop.Batch:
        return photos.batch(rng, train_set.images, train_set.labels, BATCH)

    def look(step: int) -> None:
        click.echo(f"step {step}: accuracy {right_answers(model, test_set):.4f} on the test digits")

    told = f"--epochs {epochs} --seed {seed}" + " --bfloat16" * bfloat16
    legs = loop.train(model, digit_classifier.loss, make, plan, checkpoint, told, resume, look)
    tf.keras.mixed_precision.set_global_policy("float32")  # servers have no bfloat16 to count on
    exact = digit_classifier.build()
    exact.set_weights(model.get_weights())
    export(exact, out)
    plots.classifier(out, "digits", data, diary_of(checkpoint))
    card = describe(out, test_set, cards.shown(data), legs)
    cards.write(card, out)
    click.echo(f"{out}: {dict(card.metrics)}")


def right_answers(model: tf.keras.Model, digits: mnist.DigitSet) -> float:
    """Share of right answers on digits as they are."""
    plain = np.stack([photos.plain(glyph) for glyph in digits.images])[..., None]
    answers = model.predict(plain.astype(np.float32), batch_size=500, verbose=0)
    return float(np.mean(answers.argmax(1) == digits.labels))


def export(model: tf.keras.Model, out: Path) -> None:
    """Write the model's files and its labels; each appears whole or not at all."""
    side = photos.INPUT_SIDE
    function = digit_classifier.served(model)
    frozen = export_models.frozen_graph(
        function, (None, side, side, 3), tf.float32, "input", ["final_result"]
    )
    lite = export_models.tflite(
        lambda rgb: [function(rgb)], (1, side, side, 3), tf.float32, half=True
    )
    files.publish(out / "digits.pb", frozen)
    files.publish(out / "digits.tflite", lite)
    files.publish(out / "labels.txt", "\n".join(mnist.DIGITS) + "\n")


def describe(out: Path, test_set: mnist.DigitSet, data: str, legs: list[str]) -> cards.Card:
    """The card of the exported model, measured on its files."""
    side, where = photos.INPUT_SIDE, cards.shown(out)
    return cards.Card(
        name="digits",
        task="image_classification",
        summary="Reads one handwritten digit: drawn or photographed, dark on light or light on "
        "dark, of any size and anywhere in the picture.",
        classes=mnist.DIGITS,
        input={
            "width": side,
            "height": side,
            "channels": "3, red green blue",
            "type": "float32, (pixel - mean) / std with pixels 0..255",
            "mean": digit_classifier.MEAN,
            "std": digit_classifier.STD,
            "resize": "stretch; by area when shrinking, bilinear when enlarging",
            "tensor_in_digits.pb": "input:0, any batch",
            "tensor_in_digits.tflite": "the only input, batch 1",
        },
        output={
            "meaning": "probability of each class, in the order of labels.txt",
            "tensor_in_digits.pb": "final_result:0, (batch, 10) float32",
            "tensor_in_digits.tflite": "the only output, (1, 10) float32",
        },
        metrics=measure.classifier(out, test_set),
        measured_with=f"python -m tools.digits.measure {where} --data {data}",
        trained_with=cards.commands(
            f"python -m tools.digits.train_classifier --data {data} --out {where}", legs
        ),
        limits=(
            "One digit a picture; for several use digit-detector.",
            "It always answers with a digit, also for a letter or a cat.",
            "Digits under a third of the picture's height are read less well.",
            "The writing is that of MNIST: American digits, ones mostly without a foot, "
            "sevens mostly without a bar.",
        ),
        files=cards.described(out, ["digits.tflite", "digits.pb", "labels.txt", *plots.CLASSIFIER]),
    )


if __name__ == "__main__":
    sys.exit(main())
