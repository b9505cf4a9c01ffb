"""Evaluate the two bundled digit models on the files that are bundled.

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
from tools.digits import classifier as network
from tools.digits import photos, scenes
from tools.evaluate import coco
from tools.evaluate.coco import Scene
from tools.evaluate.scores import DetectorScores  # noqa: E402
from tools.network_files import runners
from tools.train_detector import targets

PHOTO_SEED = 4711
SCENE_SEED = 4712
SCENES = 400
THRESHOLD = 0.4  # score from which a box counts in precision and recall
OUTPUTS = ["num_detections", "detection_boxes", "detection_scores", "detection_classes"]


@click.command()
@click.argument("model", type=Path)
@click.option("--data", type=Path, required=True, help="The MNIST zip.")
@click.option("--plots", type=Path, help="Folder for diagrams of a detector.")
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
    """Accuracy of both files: on plain digits, inverted digits, and photos."""
    plain = np.stack([photos.plain(glyph) for glyph in digits.images])[..., None]
    robust = photos.robust_set(digits.images, PHOTO_SEED)
    frozen = runners.frozen(model / "digits.pb", "input", ["final_result"])
    lite = runners.litert(model / "digits.tflite")

    def right(run: runners.Run, pictures: np.ndarray, size: int) -> float:
        inputs = network.as_input(pictures)
        answers = [run(inputs[i : i + size])[0] for i in range(0, len(inputs), size)]
        return round(float(np.mean(np.concatenate(answers).argmax(1) == digits.labels)), 4)

    one = network.as_input(plain[:1])
    return {
        "accuracy_mnist_test": right(frozen, plain, 500),
        "accuracy_mnist_test_inverted": right(frozen, 255 - plain, 500),
        "accuracy_augmented_test": right(frozen, robust, 500),
        "accuracy_mnist_test_tflite": right(lite, plain, 1),
        "accuracy_augmented_test_tflite": right(lite, robust, 1),
        "one_core_ms_tensorflow": busy_milliseconds(frozen, one),
        "one_core_ms_litert": busy_milliseconds(lite, one),
    }


def test_scenes(digits: mnist.DigitSet, count: int = SCENES) -> list[scenes.Scene]:
    """Pages of test digits, the same on every call."""
    composer = scenes.Composer(digits.images, digits.labels)
    return [composer.scene(np.random.default_rng((SCENE_SEED, i))) for i in range(count)]


def detector(model: Path, digits: mnist.DigitSet, plots: Path | None = None) -> dict[str, float]:
    """Mean average precision of both files on pages of test digits.

    plots: folder for diagrams of the frozen graph's detections, if any
    """
    pages = test_scenes(digits)
    frozen = runners.frozen(model / "frozen_inference_graph.pb", "image_tensor", OUTPUTS)
    lite = runners.litert(model / "digit_detector.tflite")
    by_frozen = [detect_frozen(frozen, scene) for scene in pages]
    by_lite = [detect_lite(lite, scene) for scene in pages]
    result = scores_of(by_frozen)
    if plots is not None:
        # Loads the drawing libraries, which the numbers do not need.
        from tools.digits import plots as digit_plots

        digit_plots.detections(plots, "digit-detector", result)
    precision, recall = coco.precision_and_recall(by_frozen, THRESHOLD)
    side = scenes.NETWORK_SIDE
    square = np.zeros((1, side, side, 3), np.uint8)
    metrics = {
        "map_50": coco.mean(result.curves, 0.5),
        "map_75": coco.mean(result.curves, 0.75),
        "map_50_tflite": coco.mean(scores_of(by_lite).curves, 0.5),
        f"precision_at_{THRESHOLD}": precision,
        f"recall_at_{THRESHOLD}": recall,
        "scenes": len(pages),
        "digits": sum(len(scene[2]) for scene in pages),
    }
    return {name: round(value, 4) for name, value in metrics.items()} | {
        "one_core_ms_tensorflow": busy_milliseconds(frozen, square),
        "one_core_ms_litert": busy_milliseconds(lite, square),
    }


def scores_of(results: list[Scene]) -> DetectorScores:
    """The scores of a detector on pages of digits."""
    curves = tuple(coco.curve(results, place) for place in range(len(mnist.DIGITS)))
    return DetectorScores(mnist.DIGITS, curves)


def detect_frozen(run: runners.Run, scene: scenes.Scene) -> Scene:
    """Run the frozen graph on a scene at its own size."""
    image, boxes, classes = scene
    height, width = image.shape[:2]
    count, shares, scores, class_ids = run(np.repeat(image, 3, axis=-1)[None])
    n = int(count[0])
    corners = shares[0, :n][:, [1, 0, 3, 2]] * (width, height, width, height)
    none = np.zeros(len(boxes), bool)
    return Scene(
        boxes, classes, corners, class_ids[0, :n].astype(int) - 1, scores[0, :n], none, none
    )


def detect_lite(run: runners.Run, scene: scenes.Scene) -> Scene:
    """Run the .tflite on a scene, letterboxed."""
    side = scenes.NETWORK_SIDE
    image, boxes = targets.letterbox(scene[0], scene[1], side)
    shares, class_ids, scores, count = run(np.repeat(image, 3, axis=-1)[None])
    n = int(count[0])
    corners = shares[0, :n][:, [1, 0, 3, 2]] * side
    none = np.zeros(len(boxes), bool)
    return Scene(boxes, scene[2], corners, class_ids[0, :n].astype(int), scores[0, :n], none, none)


def busy_milliseconds(run: runners.Run, x: np.ndarray, times: int = 40) -> float:
    """Median processor time of one call in ms, which is the time on an idle core."""
    milliseconds = []
    for _ in range(times + 5):
        start = time.process_time()
        run(x)
        milliseconds.append((time.process_time() - start) * 1000)
    return round(float(np.median(milliseconds[5:])), 2)


if __name__ == "__main__":
    sys.exit(main())
