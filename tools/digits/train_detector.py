"""Train `digit-detector`, which finds and reads handwritten digits on a page.

python -m tools.digits.train_detector --data mnist.zip --out usr/models/digit-detector
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

from tools.common import cards
from tools.datasets import mnist
from tools.digits import measure, plots
from tools.digits import scenes as digit_scenes
from tools.train_detector import graph, outputs, targets, weights  # noqa: E402
from tools.train_detector import model as detector_model
from tools.training import loop
from tools.training.checkpoint import diary_of  # noqa: E402

BATCH = 16  # scenes
RATE, RATE_AFTER = 2e-3, 8e-4  # highest learning rate, from nothing and after --start
LITE = "digit_detector.tflite"
# A page of small digits teaches more in the same time, so large ones wait till the rest is learned.
EARLY, LARGE_AT_FIRST = 0.42, 0.11  # share of the steps, share of the pages


@click.command()
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--out", type=Path, required=True, help="Directory for the model's files.")
@click.option("--steps", type=click.IntRange(1), default=4500, show_default=True)
@click.option("--minutes", type=click.FloatRange(0.05), help="Learn this long instead.")
@click.option("--start", type=Path, help="Go on from this model, as scai train-detector does.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--bfloat16", is_flag=True, help="Faster on processors that have bfloat16.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/train-digit-detector.npz"),
    show_default=True,
    help="File to keep the state of the training in.",
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
    model = detector_model.build(len(mnist.DIGITS))
    plan = loop.Plan(steps=steps, minutes=minutes or 0.0, rate=RATE, seed=seed)
    if start:
        weights.start(model, mnist.DIGITS, start)
        plan = replace(plan, rate=RATE_AFTER)
    click.echo(f"{len(train_set)} digits, {model.count_params()} weights")
    composers = [
        digit_scenes.Composer(train_set.images, train_set.labels, side)
        for side in (digit_scenes.SIDE, digit_scenes.NETWORK_SIDE)
    ]

    def make(rng: np.random.Generator, step: int) -> loop.Batch:
        large = LARGE_AT_FIRST if step < EARLY * steps else digit_scenes.FEW_LARGE
        scenes = (composers[i % len(composers)].scene(rng, large) for i in range(BATCH))
        return targets.batch(scenes, digit_scenes.NETWORK_SIDE)

    long = f"--minutes {minutes:g}" if minutes else f"--steps {steps}"
    told = f"{long} --seed {seed}" + " --bfloat16" * bfloat16
    told += f" --start {cards.shown(start)}" if start else ""
    legs = loop.train(model, detector_model.loss, make, plan, checkpoint, told, resume)
    export(outputs.as_float32(model, len(mnist.DIGITS)), out)
    plots.detector(out, diary_of(checkpoint))
    card = describe(out, test_set, cards.shown(data), legs)
    cards.write(card, out)
    click.echo(f"{out}: {dict(card.metrics)}")


def export(model: tf.keras.Model, out: Path) -> None:
    """Write the model's files and its labels; each appears whole or not at all."""
    how, side = graph.Suppression(), digit_scenes.NETWORK_SIDE
    outputs.write_models(out, LITE, mnist.DIGITS, model, side, how)


def describe(out: Path, test_set: mnist.DigitSet, data: str, legs: list[str]) -> cards.Card:
    """The card of the exported model, measured on its files."""
    side, where = digit_scenes.NETWORK_SIDE, cards.shown(out)
    return cards.Card(
        name="digit-detector",
        task="object_detection",
        summary="Finds and reads handwritten digits anywhere on a page or photo: one box a digit.",
        classes=mnist.DIGITS,
        input=outputs.described_input(LITE, side),
        output=outputs.described_output(LITE, graph.Suppression()),
        metrics=measure.detector(out, test_set, out),
        measured_with=f"python -m tools.digits.measure {where} --data {data}",
        trained_with=cards.commands(
            f"python -m tools.digits.train_detector --data {data} --out {where}", legs
        ),
        limits=(
            f"Digits under about {digit_scenes.SMALLEST:.0f} pixels when the picture's longer "
            f"side is {side} are missed: cut large pages into parts.",
            "Measured on composed pages of test digits, not on photos of real pages.",
            "Handwritten letters were not among what it learned to leave alone.",
            "Digits that touch or cross each other are often taken for one.",
        ),
        files=cards.described(
            out,
            [outputs.FROZEN, LITE, "label_map.pbtxt", "labels.txt", *plots.DETECTOR],
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
