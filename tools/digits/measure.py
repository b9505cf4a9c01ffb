"""How good the two shipped digit models are, measured on the files that ship.

python -m tools.digits.measure usr/models/digits --data mnist.zip
"""

import json
import os
import sys
import time
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from tools.common.errors import UserError
from tools.datasets import mnist
from tools.digits import classifier as digit_classifier
from tools.digits import photos as digit_photos
from tools.digits import scenes as digit_scenes
from tools.evaluate import coco
from tools.evaluate.coco import Scene
from tools.evaluate.scores import DetectorScores  # noqa: E402
from tools.network_files import runners
from tools.train_detector import targets

PHOTO_SEED = 4711
SCENE_SEED = 4712
SCENES = 400
SURE = 0.4  # score from which a box counts in precision and recall
OUTPUTS = ["num_detections", "detection_boxes", "detection_scores", "detection_classes"]


@click.command()
@click.argument("model", type=Path)
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--plots", type=Path, help="Draw what a detector found into this folder.")
def main(model: Path, data: Path, plots: Path | None) -> None:
    """Print the metrics of MODEL, the directory of the digit classifier or detector, as JSON."""
    digits = mnist.load(data, "test")
    if (model / "digits.pb").exists():
        metrics = classifier(model, digits)
    elif (model / "frozen_inference_graph.pb").exists():
        metrics = detector(model, digits, plots)
    else:
        raise UserError(f"{model}: holds neither digits.pb nor a frozen detector.")
    click.echo(json.dumps(metrics, indent=2))


def classifier(model: Path, digits: mnist.DigitSet) -> dict[str, float]:
    """Share of right answers of both files: on digits as they are, inverted, and as photos."""
    plain = np.stack([digit_photos.plain(glyph) for glyph in digits.images])[..., None]
    photos = digit_photos.robust_set(digits.images, PHOTO_SEED)
    frozen = runners.frozen(model / "digits.pb", "input", ["final_result"])
    lite = runners.litert(model / "digits.tflite")

    def right(run: runners.Run, pictures: np.ndarray, size: int) -> float:
        given = digit_classifier.as_input(pictures)
        answers = [run(given[i : i + size])[0] for i in range(0, len(given), size)]
        return round(float(np.mean(np.concatenate(answers).argmax(1) == digits.labels)), 4)

    one = digit_classifier.as_input(plain[:1])
    return {
        "accuracy_mnist_test": right(frozen, plain, 500),
        "accuracy_mnist_test_inverted": right(frozen, 255 - plain, 500),
        "accuracy_augmented_test": right(frozen, photos, 500),
        "accuracy_mnist_test_tflite": right(lite, plain, 1),
        "accuracy_augmented_test_tflite": right(lite, photos, 1),
        "one_core_ms_tensorflow": busy_milliseconds(frozen, one),
        "one_core_ms_litert": busy_milliseconds(lite, one),
    }


def test_scenes(digits: mnist.DigitSet, count: int = SCENES) -> list[digit_scenes.Scene]:
    """Pages of test digits; always the same ones."""
    composer = digit_scenes.Composer(digits.images, digits.labels)
    return [composer.scene(np.random.default_rng((SCENE_SEED, i))) for i in range(count)]


def detector(model: Path, digits: mnist.DigitSet, plots: Path | None = None) -> dict[str, float]:
    """Mean average precision of both files on pages of test digits, and what it looks like.

    With `plots`, diagrams of what the frozen graph found are written into that folder.
    """
    scenes = test_scenes(digits)
    frozen = runners.frozen(model / "frozen_inference_graph.pb", "image_tensor", OUTPUTS)
    lite = runners.litert(model / "digit_detector.tflite")
    by_frozen = [seen_by_frozen(frozen, scene) for scene in scenes]
    by_lite = [seen_by_lite(lite, scene) for scene in scenes]
    scores = scores_of(by_frozen)
    if plots is not None:
        from tools.digits import (
            plots as digit_plots,  # loads the drawing libraries, which numbers do not need
        )

        digit_plots.found(plots, "digit-detector", scores)
    precision, recall = coco.precision_and_recall(by_frozen, SURE)
    side = digit_scenes.NETWORK_SIDE
    square = np.zeros((1, side, side, 3), np.uint8)
    metrics = {
        "map_50": coco.mean(scores.curves, 0.5),
        "map_75": coco.mean(scores.curves, 0.75),
        "map_50_tflite": coco.mean(scores_of(by_lite).curves, 0.5),
        f"precision_at_{SURE}": precision,
        f"recall_at_{SURE}": recall,
        "scenes": len(scenes),
        "digits": sum(len(scene[2]) for scene in scenes),
    }
    return {name: round(value, 4) for name, value in metrics.items()} | {
        "one_core_ms_tensorflow": busy_milliseconds(frozen, square),
        "one_core_ms_litert": busy_milliseconds(lite, square),
    }


def scores_of(scenes: list[Scene]) -> DetectorScores:
    """The scores of a detector on pages of digits."""
    curves = tuple(coco.curve(scenes, place) for place in range(len(mnist.DIGITS)))
    return DetectorScores(mnist.DIGITS, curves)


def seen_by_frozen(run: runners.Run, scene: digit_scenes.Scene) -> Scene:
    """One scene through the frozen graph, at its own size."""
    image, boxes, classes = scene
    height, width = image.shape[:2]
    count, found, scores, kinds = run(np.repeat(image, 3, axis=-1)[None])
    n = int(count[0])
    corners = found[0, :n][:, [1, 0, 3, 2]] * (width, height, width, height)
    none = np.zeros(len(boxes), bool)
    return Scene(boxes, classes, corners, kinds[0, :n].astype(int) - 1, scores[0, :n], none, none)


def seen_by_lite(run: runners.Run, scene: digit_scenes.Scene) -> Scene:
    """One scene through the .tflite, fitted into its square."""
    side = digit_scenes.NETWORK_SIDE
    image, boxes = targets.fit(scene[0], scene[1], side)
    found, kinds, scores, count = run(np.repeat(image, 3, axis=-1)[None])
    n = int(count[0])
    corners = found[0, :n][:, [1, 0, 3, 2]] * side
    none = np.zeros(len(boxes), bool)
    return Scene(boxes, scene[2], corners, kinds[0, :n].astype(int), scores[0, :n], none, none)


def busy_milliseconds(run: runners.Run, x: np.ndarray, times: int = 40) -> float:
    """Median processor time of one call: what it takes on an idle core, busy as this one is."""
    took = []
    for _ in range(times + 5):
        start = time.process_time()
        run(x)
        took.append((time.process_time() - start) * 1000)
    return round(float(np.median(took[5:])), 2)


if __name__ == "__main__":
    sys.exit(main())
