"""The models that come with SCAI, through the very recognizers that the workers run."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.helpers import SHARED

from scai import plugins
from scai.models import cards
from scai.models.cards import CLASSIFICATION, DETECTION
from scai.recognition.recognizer import Recognizer
from scai.settings import ROOT, Settings
from tools.evaluate import command

pytestmark = pytest.mark.slow

DATA = SHARED / "data"
MNIST, CIFAR10 = DATA / "mnist.zip", DATA / "cifar10.zip"
needs_mnist = pytest.mark.skipif(not MNIST.exists(), reason="no ../shared/data/mnist.zip here")


def recognizer(kind: str, section: str = "default") -> Recognizer:
    card = cards.load_card(ROOT / Settings().models_file(kind), section, kind)
    found = plugins.load("workers", kind).build(card)
    assert isinstance(found, Recognizer)
    return found


@pytest.mark.parametrize(
    ("kind", "name"), [(CLASSIFICATION, "objects"), (DETECTION, "digit-detector")]
)
def test_the_default_is_the_bundled_model(kind: str, name: str) -> None:
    model = recognizer(kind)
    assert model.card.name == name
    model.close()


def as_photo(glyph: np.ndarray) -> np.ndarray:
    return np.repeat(glyph[..., None], 3, axis=2)


@needs_mnist
def test_digits_reads_the_test_digits_light_or_dark() -> None:
    from tools.datasets import mnist

    digits = mnist.load(MNIST, "test", limit=100)
    model = recognizer(CLASSIFICATION, "digits")
    for images in (digits.images, 255 - digits.images):
        results = model.recognize([as_photo(glyph) for glyph in images])
        right = [
            int(result.labels[0]) == truth
            for result, truth in zip(results, digits.labels, strict=True)
        ]
        assert np.mean(right) >= 0.985  # 0.995 on all test digits, less the chance of a sample
    model.close()


@needs_mnist
def test_the_detector_finds_and_reads_the_digits_of_pages() -> None:
    from tools.datasets import mnist
    from tools.digits import measure
    from tools.evaluate import coco

    digits = mnist.load(MNIST, "test")
    scenes = measure.test_scenes(digits, 60)
    model = recognizer(DETECTION)
    found = read = held = 0
    for image, boxes, classes in scenes:
        [result] = model.recognize([as_photo(image[..., 0])])
        held += len(boxes)
        found += len(result)
        for box, label in zip(result.boxes, result.labels, strict=True):
            overlap = coco.overlaps(box[None], boxes)[0]
            best = int(overlap.argmax())
            read += bool(overlap[best] >= 0.5 and int(label) == classes[best])
    assert read / held >= 0.88 and read / found >= 0.92
    model.close()


def evaluation_of(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What `scai evaluate` says of one model."""
    numbers = tmp_path / "numbers.json"
    done = CliRunner().invoke(command.main, [*arguments, "--json", str(numbers)])
    assert done.exit_code == 0, done.output
    [model] = json.loads(numbers.read_text())["models"]
    return dict(model)


@pytest.mark.skipif(not CIFAR10.exists(), reason="no ../shared/data/cifar10.zip here")
def test_objects_tells_everyday_things_apart(tmp_path: Path) -> None:
    report = evaluation_of(tmp_path, "objects", str(CIFAR10), "--limit", "300")
    assert report["top1"] >= 0.85  # less than on all 5,000 by the chance of a sample


@pytest.mark.parametrize("name", ["digits", "digit-detector", "objects", "blood-cells"])
def test_cards_tell_what_was_measured_and_how(name: str) -> None:
    folder = ROOT / "usr" / "models" / name
    card = json.loads((folder / "card.json").read_text())
    assert (
        "scai evaluate" in card["measured_with"] or "tools.digits.measure" in card["measured_with"]
    )
    assert "train" in card["trained_with"]
    assert str(ROOT) not in json.dumps(card)
    for file, facts in card["files"].items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == facts["sha256"], file


def test_both_files_of_the_detector_see_the_same(tmp_path: Path) -> None:
    """The frozen graph, by TensorFlow's names, and the .tflite, on one picture."""
    from support.live import digit_picture

    config = tmp_path / "object_detection.config"
    folder = ROOT / "usr" / "models" / "digit-detector"
    config.write_text(
        f"[frozen]\nUSR_PATH = {folder}\nPATH_TO_CKPT = frozen_inference_graph.pb\n"
        f"PATH_TO_LABELS = label_map.pbtxt\nNUM_CLASSES = 10\n"
    )
    card = cards.load_card(config, "frozen", DETECTION)
    frozen = plugins.load("workers", DETECTION).build(card)
    lite = recognizer(DETECTION)
    picture = digit_picture()
    [a], [b] = frozen.recognize([picture]), lite.recognize([picture])
    assert a.labels == b.labels and len(a) >= 1
    assert np.abs(a.boxes - b.boxes).max() < 6
    frozen.close()
    lite.close()
