"""Train `digit-detector`, which finds and reads handwritten digits on a page.

python -m tools.digits.train_detector --data mnist.zip --out usr/models/digit-detector
"""

import os
import sys
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

from tools.common import cards
from tools.datasets import mnist
from tools.digits import measure, plots, scenes
from tools.train_detector import model as network
from tools.train_detector import model_files, postprocessing, targets, training, weights
from tools.training.keras_learner import KerasLearner, adam
from tools.training.loop import Training
from tools.training.prefetch import Batch

BATCH = 16  # scenes
RATE, RATE_AFTER = 2e-3, 8e-4  # highest learning rate, from nothing and after --start
LITE = "digit_detector.tflite"
# Pages of small digits teach more in the same time, so large digits come later.
EARLY, LARGE_AT_FIRST = 0.42, 0.11  # share of the steps, share of the pages


@click.command()
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--out", type=Path, required=True, help="Output folder.")
@click.option(
    "--steps", type=click.IntRange(1), default=4500, show_default=True, help="Number of steps."
)
@click.option("--minutes", type=click.FloatRange(0.05), help="Training time, instead of steps.")
@click.option("--start", type=Path, help="Start from this model, as scai train-detector does.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--resume", is_flag=True, help="Resume from the checkpoint.")
@click.option("--bfloat16", is_flag=True, help="Faster on processors with bfloat16.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/train-digit-detector.npz"),
    show_default=True,
    help="File of the checkpoint.",
)
def main(
    data: Path,
    out: Path,
    steps: int,
    minutes: float | None,
    start: Path | None,
    seed: int,
    resume: bool,
    bfloat16: bool,
    checkpoint: Path,
) -> None:
    """Train the digit detector on scenes made of MNIST digits; write model, labels and card."""
    train_set = mnist.load(data, "train")
    test_set = mnist.load(data, "test")
    tf.get_logger().setLevel("ERROR")
    tf.keras.utils.set_random_seed(seed)
    if bfloat16:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = network.build(len(mnist.DIGITS))
    if start:
        weights.start(model, mnist.DIGITS, start)
    schedule = training.detector_schedule(RATE_AFTER if start else RATE, steps, minutes, seed)
    click.echo(f"{len(train_set)} digits, {model.count_params()} weights")
    composers = [
        scenes.Composer(train_set.images, train_set.labels, side)
        for side in (scenes.SIDE, scenes.NETWORK_SIDE)
    ]

    def make(rng: np.random.Generator, step: int) -> Batch:
        large = LARGE_AT_FIRST if step < EARLY * steps else scenes.FEW_LARGE
        pages = (composers[i % len(composers)].scene(rng, large) for i in range(BATCH))
        return targets.batch(pages, scenes.NETWORK_SIDE)

    length = f"--minutes {minutes:g}" if minutes else f"--steps {steps}"
    flags = f"{length} --seed {seed}" + " --bfloat16" * bfloat16
    flags += f" --start {cards.public_path(start)}" if start else ""
    learner = KerasLearner(model, network.loss, adam())
    state = Training(learner, make, schedule, path=checkpoint, options=flags, resume=resume).run()
    export(model_files.as_float32(model, len(mnist.DIGITS)), out)
    plots.detector(out, state.curve)
    card = describe(out, test_set, cards.public_path(data), state.runs)
    cards.write(card, out)
    click.echo(f"{out}: {dict(card.metrics)}")


def export(model: tf.keras.Model, out: Path) -> None:
    """Write the model's files and its labels; each appears whole or not at all."""
    rule, side = postprocessing.Suppression(), scenes.NETWORK_SIDE
    model_files.write_models(out, LITE, mnist.DIGITS, model, side, rule)


def describe(out: Path, test_set: mnist.DigitSet, data: str, runs: list[str]) -> cards.Card:
    """The card of the exported model, measured on its files."""
    side, where = scenes.NETWORK_SIDE, cards.public_path(out)
    return cards.Card(
        name="digit-detector",
        task="object_detection",
        summary="Finds and reads handwritten digits anywhere on a page or photo, "
        "with a box around each.",
        classes=mnist.DIGITS,
        input=model_files.input_facts(LITE, side),
        output=model_files.output_facts(LITE, postprocessing.Suppression()),
        metrics=measure.detector(out, test_set, out),
        measured_with=f"python -m tools.digits.measure {where} --data {data}",
        trained_with=cards.commands(
            f"python -m tools.digits.train_detector --data {data} --out {where}", runs
        ),
        limits=(
            f"It misses digits under about {scenes.SMALLEST:.0f} pixels when the picture's longer "
            f"side is {side}: cut large pages into parts.",
            "Measured on composed pages of test digits, not on photos of real pages.",
            "It was not trained to ignore handwritten letters.",
            "Digits that touch or cross each other are often detected as one.",
        ),
        files=cards.file_facts(
            out,
            [model_files.FROZEN, LITE, "label_map.pbtxt", "labels.txt", *plots.DETECTOR],
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
