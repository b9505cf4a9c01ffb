"""The pure parts of the training tools: scenes, targets, precision, cards. No model library."""

import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from tools.common import cards, files
from tools.common.errors import UserError
from tools.datasets import mnist
from tools.digits import photos
from tools.digits import scenes as digit_scenes
from tools.evaluate.coco import Scene, overlaps
from tools.train_detector import targets as detector_targets


def glyphs() -> tuple[np.ndarray, np.ndarray]:
    """Ten printed digits that look enough like MNIST: (10, 28, 28) uint8 and their labels."""
    images = np.zeros((10, 28, 28), np.uint8)
    for digit in range(10):
        cv2.putText(images[digit], str(digit), (6, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    return images, np.arange(10)


def composer() -> digit_scenes.Composer:
    return digit_scenes.Composer(*glyphs())


@pytest.fixture(scope="module")
def scenes() -> list[digit_scenes.Scene]:
    return [composer().scene(np.random.default_rng((1, i))) for i in range(40)]


def write_zip(path: Path, without: str = "") -> Path:
    images, labels = glyphs()
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("train", "test"):
            for image, label in zip(images, labels, strict=True):
                if f"{part}/{label}" != without:
                    png = cv2.imencode(".png", image)[1].tobytes()
                    archive.writestr(f"mnist/{part}/{label}/1.png", png)
    return path


def test_every_box_lies_inside_its_scene_and_holds_something(scenes):
    for image, boxes, classes in scenes:
        height, width = image.shape[:2]
        assert image.dtype == np.uint8 and max(height, width) == digit_scenes.SIDE
        assert boxes.shape == (len(classes), 4) and len(boxes) <= digit_scenes.MAX_DIGITS
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (width, height)).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 3).all()


def test_no_two_digits_of_a_scene_share_a_place(scenes):
    for _, boxes, _ in scenes:
        table = overlaps(boxes, boxes)
        assert (table - np.eye(len(boxes)) <= 1e-6).all()


def test_the_same_seed_gives_the_same_scene(scenes):
    again = composer().scene(np.random.default_rng((1, 7)))
    for one, other in zip(scenes[7], again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_scenes_have_light_on_dark_as_well_as_dark_on_light(scenes):
    middles = [np.median(image) for image, _, _ in scenes]
    assert min(middles) < 90 and max(middles) > 165


def test_targets_give_back_the_boxes_they_were_made_of(scenes):
    for image, boxes, classes in scenes:
        square, boxes = detector_targets.letterbox(image, boxes, 320)
        found, kinds = detector_targets.decode(detector_targets.encode(boxes, classes, 80, 80))
        assert square.shape == (320, 320, 1)
        assert len(found) == len(boxes)
        if not len(boxes):
            continue
        best = overlaps(found, boxes)
        assert (best.max(axis=0) > 0.99).all()
        np.testing.assert_array_equal(kinds[best.argmax(axis=0)], classes)


def test_each_box_weighs_the_same_whatever_its_size():
    boxes = np.array([[8, 8, 20, 24], [100, 40, 280, 300]], np.float32)
    targets = detector_targets.encode(boxes, np.array([3, 5]), 80, 80)
    for which in (3, 5):
        assert targets.weight[targets.class_id == which].sum() == pytest.approx(1, abs=1e-4)


def test_an_empty_page_is_a_page_like_any_other():
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    image = np.full((200, 400, 3), 255, np.uint8)
    images, peak, box, class_id, weight = detector_targets.batch([(image, *nothing)], 320)
    assert images.shape == (1, 320, 320, 3) and (images[0, 160:] == 128).all()
    assert peak.sum() == weight.sum() == 0 and box.shape == (1, 80, 80, 4)
    assert class_id.shape == (1, 80, 80)


def test_pictures_for_the_classifier_are_square_and_show_something():
    images, labels = glyphs()
    pictures, truth = photos.batch(np.random.default_rng(0), images, labels, 50)
    assert pictures.shape == (50, 48, 48, 1) and pictures.dtype == np.float32
    assert pictures.min() >= 0 and pictures.max() <= 255
    assert (pictures.std(axis=(1, 2, 3)) > 3).all()
    assert set(truth) <= set(range(10))


def test_digits_are_read_from_the_zip_in_the_order_of_their_classes(tmp_path):
    digits = mnist.load(write_zip(tmp_path / "mnist.zip"), "test")
    np.testing.assert_array_equal(digits.labels, np.arange(10))
    np.testing.assert_array_equal(digits.images, glyphs()[0])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        # no file
        (lambda path: path, "no such file"),
        # a file that is no zip
        (lambda path: path.write_bytes(b"hello") and path, "not a readable zip file"),
        # a class without pictures
        (lambda path: write_zip(path, without="train/4"), "no pictures in mnist/train/4/"),
    ],
)
def test_bad_data_is_told_in_one_sentence(tmp_path, make, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        mnist.load(make(tmp_path / "mnist.zip"), "train")
    assert error.value.exit_code == 2
    assert "\n" not in error.value.message


def test_a_command_with_bad_data_ends_with_code_2(tmp_path):
    from tools.digits import measure

    result = CliRunner().invoke(measure.main, [str(tmp_path), "--data", str(tmp_path / "none.zip")])
    assert result.exit_code == 2 and "no such file" in result.output


def test_what_a_detector_found_is_drawn_by_class_and_as_a_curve(tmp_path):
    # Given two pages with a 0 and a 7, of which the 7 is found on the first page only
    from tools.digits import measure, plots

    boxes, classes = np.array([[0.0, 0, 9, 9], [20, 0, 29, 9]]), np.array([0, 7])
    none = np.zeros(2, bool)
    first = Scene(boxes, classes, boxes, classes, np.array([0.9, 0.8]), none, none)
    second = Scene(boxes, classes, boxes[:1], classes[:1], np.array([0.7]), none, none)
    # When it is judged and drawn
    scores = measure.scores_of([first, second])
    plots.detections(tmp_path, "reader", scores)
    # Then it is judged by class, and both diagrams lie there
    by_digit = scores.per_class()
    assert by_digit["0"] == pytest.approx(1.0) and by_digit["7"] == pytest.approx(0.5, abs=0.01)
    assert by_digit["3"] is None
    for file in plots.DETECTIONS:
        assert (tmp_path / file).read_bytes().startswith(b"\x89PNG")


def card(directory: Path) -> cards.Card:
    (directory / "labels.txt").write_text("0\n1\n")
    return cards.Card(
        name="twos",
        task="image_classification",
        summary="Tells nought from one.",
        classes=("0", "1"),
        input={"width": 48, "mean": 127.5},
        output={"meaning": "probabilities"},
        metrics={"accuracy": 0.99},
        measured_with="python -m tools.measure",
        trained_with="python -m tools.train",
        limits=("Only two digits.",),
        files=cards.file_facts(directory, ["labels.txt"]),
    )


def test_both_cards_tell_the_same_facts(tmp_path):
    cards.write(card(tmp_path), tmp_path)
    facts = json.loads((tmp_path / "card.json").read_text())
    words = (tmp_path / "card.md").read_text()
    assert facts["files"]["labels.txt"]["bytes"] == 4
    assert facts["versions"]["python"] and facts["licence"] and facts["date"]
    for fact in ("0.99", "127.5", "Only two digits.", facts["files"]["labels.txt"]["sha256"]):
        assert fact in words


def test_a_card_tells_every_training_that_a_model_went_through():
    assert cards.commands("train", ["--steps 5"]) == "train --steps 5"
    assert (
        cards.commands("train", ["--steps 5", "--steps 8"])
        == "train --steps 5 && train --steps 8 --resume"
    )


def test_a_card_shows_no_absolute_path():
    assert cards.public_path(Path("/home/someone/mnist.zip")) == "mnist.zip"
    assert cards.public_path(Path("../shared/data/mnist.zip")) == "../shared/data/mnist.zip"


@pytest.mark.parametrize("name", ["digits", "digit-detector"])
def test_the_cards_that_ship_describe_the_files_that_ship(name):
    directory = Path(__file__).parents[2] / "usr" / "models" / name
    facts = json.loads((directory / "card.json").read_text())
    assert len(facts["files"]) >= 3
    assert cards.file_facts(directory, list(facts["files"])) == facts["files"]
    assert (directory / "labels.txt").read_text().split() == facts["classes"]
    for text in ((directory / "card.json").read_text(), (directory / "card.md").read_text()):
        assert not re.search(r"(?<![\w.])/\w", text) and "http" not in text


@pytest.mark.slow
def test_suppression_in_matrix_form_is_greedy_suppression():
    # Given boxes of many sizes that lie over each other in chains
    import tensorflow as tf

    from tools.train_detector import postprocessing

    rng = np.random.default_rng(3)
    how = postprocessing.Suppression(limit=60)
    corner = rng.uniform(0, 0.8, (8, 60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.02, 0.2, (8, 60, 2))], 2)
    scores = rng.uniform(0.1, 1, (8, 60))
    # When the graph suppresses
    masks = postprocessing.suppress(
        tf.constant(boxes, tf.float32), tf.constant(scores, tf.float32), how
    )
    # Then the same ones stay as when the best is taken and what lies on it dropped, in turn
    for mask, b, s in zip(masks.numpy(), boxes, scores, strict=True):
        np.testing.assert_array_equal(mask.astype(bool), greedy(b, s, how.overlap, how.inside))


def greedy(boxes: np.ndarray, scores: np.ndarray, overlap: float, inside: float) -> np.ndarray:
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    keep = np.zeros(len(boxes), bool)
    for i in np.argsort(-scores):
        low = np.maximum(boxes[i, :2], boxes[keep, :2])
        shared = np.prod(np.clip(np.minimum(boxes[i, 2:], boxes[keep, 2:]) - low, 0, None), axis=1)
        same = shared > overlap * (area[i] + area[keep] - shared)
        keep[i] = not (same | (shared > inside * np.minimum(area[i], area[keep]))).any()
    return keep


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path):
    files.publish(tmp_path / "model.pb", b"old")
    with pytest.raises(TypeError):
        files.publish(tmp_path / "model.pb", 7)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["model.pb"]
    assert (tmp_path / "model.pb").read_bytes() == b"old"
