"""Train `digit-detector`, which finds and reads handwritten digits on a page.

python -m tools.train_digit_detector --data ../shared/data/mnist.zip --out usr/models/digit-detector
"""

import os
import sys
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

from tools import (  # noqa: E402
    detector_graph,
    detector_model,
    detector_targets,
    digit_scenes,
    export_models,
    files,
    measure_digits,
    mnist_zip,
    model_cards,
    training,
)

BATCH = 16  # scenes
# A page of small digits teaches more in the same time, so large ones wait till the rest is learned.
EARLY, LARGE_AT_FIRST = 0.42, 0.11  # share of the steps, share of the pages


@click.command()
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--out", type=Path, required=True, help="Directory for the model's files.")
@click.option("--steps", type=click.IntRange(1), default=4500, show_default=True)
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
    data: Path, out: Path, steps: int, seed: int, resume: bool, bfloat16: bool, checkpoint: Path
) -> None:
    """Train the digit detector on scenes made of MNIST digits; write model, labels and card."""
    train_set = mnist_zip.load(data, "train")
    test_set = mnist_zip.load(data, "test")
    tf.get_logger().setLevel("ERROR")
    tf.keras.utils.set_random_seed(seed)
    if bfloat16:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = detector_model.build(len(mnist_zip.DIGITS))
    plan = training.Plan(steps=steps, seed=seed)
    click.echo(f"{len(train_set)} digits, {model.count_params()} weights, {steps} steps")
    composer = digit_scenes.Composer(train_set.images, train_set.labels)

    def make(rng: np.random.Generator, step: int) -> training.Batch:
        large = LARGE_AT_FIRST if step < EARLY * steps else digit_scenes.FEW_LARGE
        scenes = (composer.scene(rng, large) for _ in range(BATCH))
        return detector_targets.batch(scenes, digit_scenes.SIDE)

    told = f"--steps {steps} --seed {seed}" + " --bfloat16" * bfloat16
    legs = training.train(model, detector_model.loss, make, plan, checkpoint, told, resume)
    export(as_float32(model), out)
    card = describe(out, test_set, model_cards.shown(data), legs)
    model_cards.write(card, out)
    click.echo(f"{out}: {dict(card.metrics)}")


def as_float32(model: tf.keras.Model) -> tf.keras.Model:
    """The same network with all its arithmetic in float32: servers have no bfloat16 to count on."""
    tf.keras.mixed_precision.set_global_policy("float32")
    copy = detector_model.build(len(mnist_zip.DIGITS))
    copy.set_weights(model.get_weights())
    return copy


def export(model: tf.keras.Model, out: Path) -> None:
    """Write the model's files and its labels; each appears whole or not at all."""
    how, side = detector_graph.Suppression(), digit_scenes.SIDE
    frozen = export_models.frozen_graph(
        detector_graph.any_size(model, side, how),
        (None, None, None, 3),
        tf.uint8,
        "image_tensor",
        measure_digits.OUTPUTS,
        half=True,
    )
    lite = export_models.tflite(
        detector_graph.fixed_size(model, how), (1, side, side, 3), tf.uint8, half=True
    )
    label_map = "".join(
        f'item {{\n  id: {i}\n  name: "{name}"\n  display_name: "{name}"\n}}\n'
        for i, name in enumerate(mnist_zip.DIGITS, 1)
    )
    files.publish(out / "frozen_inference_graph.pb", frozen)
    files.publish(out / "digit_detector.tflite", lite)
    files.publish(out / "label_map.pbtxt", label_map)
    files.publish(out / "labels.txt", "\n".join(mnist_zip.DIGITS) + "\n")


def describe(
    out: Path, test_set: mnist_zip.DigitSet, data: str, legs: list[str]
) -> model_cards.Card:
    """The card of the exported model, measured on its files."""
    side, where = digit_scenes.SIDE, model_cards.shown(out)
    return model_cards.Card(
        name="digit-detector",
        task="object_detection",
        summary="Finds and reads handwritten digits anywhere on a page or photo: one box a digit.",
        classes=mnist_zip.DIGITS,
        input={
            "frozen_inference_graph.pb": "image_tensor:0, (b, h, w, 3) uint8 red green blue, any "
            f"size; fitted into {side}x{side} inside, in shape",
            "digit_detector.tflite": f"(1, {side}, {side}, 3) uint8 red green blue; best fitted "
            f"in shape into the top left corner, the rest grey {detector_targets.PADDING}",
            "width": side,
            "height": side,
            "mean": 0,
            "std": 1,
        },
        output={
            "frozen_inference_graph.pb": "num_detections:0 (b,), detection_boxes:0 (b, 100, 4) "
            "ymin xmin ymax xmax 0..1, detection_scores:0 (b, 100), "
            "detection_classes:0 (b, 100) from 1; all float32, scores falling",
            "digit_detector.tflite": "boxes (1, 100, 4), classes (1, 100) from 0, scores "
            "(1, 100), count (1,): the order of TFLite_Detection_PostProcess",
        },
        metrics=measure_digits.detector(out, test_set),
        measured_with=f"python -m tools.measure_digits {where} --data {data}",
        trained_with=model_cards.commands(
            f"python -m tools.train_digit_detector --data {data} --out {where}", legs
        ),
        limits=(
            f"Digits under about {digit_scenes.SMALLEST:.0f} pixels when the picture's longer "
            f"side is {side} are missed: cut large pages into parts.",
            "Measured on composed pages of test digits, not on photos of real pages.",
            "Handwritten letters were not among what it learned to leave alone.",
            "Digits that touch or cross each other are often taken for one.",
        ),
        files=model_cards.described(
            out,
            ["frozen_inference_graph.pb", "digit_detector.tflite", "label_map.pbtxt", "labels.txt"],
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
