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
from tools.digits import classifier, measure, photos, plots
from tools.network_files import export as network_export
from tools.training.keras_learner import KerasLearner, adam
from tools.training.loop import Training
from tools.training.prefetch import Batch
from tools.training.schedule import Schedule
from tools.training.validation import Validation

BATCH = 128  # pictures
RATE = 2e-3  # highest learning rate
ACCURACY = "test accuracy"


@click.command()
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--out", type=Path, required=True, help="Output folder.")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=14,
    show_default=True,
    help="Passes over all digits.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--resume", is_flag=True, help="Resume from the checkpoint.")
@click.option("--bfloat16", is_flag=True, help="Faster on processors with bfloat16.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/train-digits.npz"),
    show_default=True,
    help="File of the checkpoint.",
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
    model = classifier.build()
    steps = epochs * len(train_set) // BATCH
    click.echo(f"{len(train_set)} digits, {model.count_params()} weights, {steps} steps")

    def make(rng: np.random.Generator, _: int) -> Batch:
        return photos.batch(rng, train_set.images, train_set.labels, BATCH)

    state = Training(
        KerasLearner(model, classifier.loss, adam()),
        make,
        Schedule(rate=RATE, steps=steps, warm_up_steps=100, seed=seed),
        Validation(lambda: {ACCURACY: accuracy(model, test_set)}, ACCURACY),
        checkpoint,
        f"--epochs {epochs} --seed {seed}" + " --bfloat16" * bfloat16,
        resume,
    ).run()
    tf.keras.mixed_precision.set_global_policy("float32")  # a server may lack bfloat16
    exact = classifier.build()
    exact.set_weights(model.get_weights())
    export(exact, out)
    plots.classifier(out, "digits", data, state.curve)
    card = describe(out, test_set, cards.public_path(data), state.runs)
    cards.write(card, out)
    click.echo(f"{out}: {dict(card.metrics)}")


def accuracy(model: tf.keras.Model, digits: mnist.DigitSet) -> float:
    """Share of right answers on plain digits, 0..1."""
    plain = np.stack([photos.plain(glyph) for glyph in digits.images])[..., None]
    answers = model.predict(plain.astype(np.float32), batch_size=500, verbose=0)
    return float(np.mean(answers.argmax(1) == digits.labels))


def export(model: tf.keras.Model, out: Path) -> None:
    """Write the model's files and its labels; each appears whole or not at all."""
    side = photos.INPUT_SIDE
    function = classifier.serving_function(model)
    frozen = network_export.frozen_graph(
        function, (None, side, side, 3), tf.float32, "input", ["final_result"]
    )
    lite = network_export.tflite(
        lambda rgb: [function(rgb)], (1, side, side, 3), tf.float32, half=True
    )
    files.publish(out / "digits.pb", frozen)
    files.publish(out / "digits.tflite", lite)
    files.publish(out / "labels.txt", "\n".join(mnist.DIGITS) + "\n")


def describe(out: Path, test_set: mnist.DigitSet, data: str, runs: list[str]) -> cards.Card:
    """The card of the exported model, measured on its files."""
    side, where = photos.INPUT_SIDE, cards.public_path(out)
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
            "mean": classifier.MEAN,
            "std": classifier.STD,
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
            f"python -m tools.digits.train_classifier --data {data} --out {where}", runs
        ),
        limits=(
            "It reads one digit per picture; for several, use digit-detector.",
            "It always answers with a digit, even for a letter or a cat.",
            "Digits smaller than a third of the picture's height are read less well.",
            "It was trained on the American handwriting of MNIST: most ones have no foot, "
            "most sevens have no bar.",
        ),
        files=cards.file_facts(
            out, ["digits.tflite", "digits.pb", "labels.txt", *plots.CLASSIFIER]
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
