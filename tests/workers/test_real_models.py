"""Real photos with real models: the answers that everybody else gets, too."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import pytest
from support.helpers import SHARED

from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.pictures.pixels import Pixels, decode, read_picture
from workers import image_classification, object_detection

pytestmark = pytest.mark.usefixtures("shared")


@functools.cache
def photo(name: str) -> Pixels:
    return decode((SHARED / "photos" / f"{name}.jpg").read_bytes())


def classification_card(graph: str, labels: str, **values: object) -> ModelCard:
    return ModelCard(
        CLASSIFICATION,
        Path("m.config"),
        "m",
        graph=SHARED / "models" / graph,
        labels=SHARED / "models" / labels,
        **values,
    )


def classify(name: str, graph: str, labels: str, **values: object):
    recognizer = image_classification.build(classification_card(graph, labels, **values))
    try:
        return recognizer.recognize([photo(name)])[0]
    finally:
        recognizer.close()


@pytest.mark.parametrize(
    ("name", "label", "score"),
    [("cat_720p", "Egyptian cat", 0.87), ("hot_dog", "hotdog, hot dog, red hot", 0.96)],
)
def test_mobilenet_v2_names_the_photo(name: str, label: str, score: float) -> None:
    result = classify(name, "mobilenet_v2_1.0_224_quant.tflite", "imagenet_labels.txt")
    assert result.labels[0] == label
    assert result.scores[0] == pytest.approx(score, abs=0.02)


FROZEN = {
    "graph": "mobilenet_v1_0.25_224_frozen.pb",
    "labels": "mobilenet_v1_labels.txt",
    "input_layer": "input",
    "output_layer": "MobilenetV1/Predictions/Reshape_1",
    "input_mean": 127.5,
    "input_std": 127.5,
}


@pytest.mark.parametrize("engine", ["openvino", pytest.param("tensorflow", marks=pytest.mark.slow)])
def test_a_small_frozen_graph_knows_a_cat_and_a_hot_dog(engine: str) -> None:
    """A quarter of the width: it wavers between three kinds of cat, and is sure of no other."""
    cat = classify("cat_720p", engine=engine, **FROZEN)
    kinds = {label.split(":")[1]: float(s) for label, s in zip(cat.labels, cat.scores, strict=True)}
    cats = ("tabby, tabby cat", "tiger cat", "Egyptian cat")
    assert set(list(kinds)[:3]) == set(cats)
    assert kinds["Egyptian cat"] > 0.15 and sum(kinds[c] for c in cats) > 0.95
    hot_dog = classify("hot_dog", engine=engine, **FROZEN)
    assert hot_dog.labels[0] == "935:hotdog, hot dog, red hot"
    assert hot_dog.scores[0] == pytest.approx(0.46, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cat_720p", "hot_dog", "sunflowers"])
@pytest.mark.parametrize("resize", ["bilinear", "tf1"])
def test_openvino_says_what_tensorflow_says(name: str, resize: str) -> None:
    """Bfloat16, in which OpenVINO would compute where it can, changes the class of the second."""
    retrained = {
        "graph": "retrained_graph.pb",
        "labels": "retrained_labels.txt",
        "input_layer": "input",
        "output_layer": "final_result",
    }
    for model in (FROZEN, retrained):
        fast, slow = (
            classify(name, engine=engine, resize=resize, **model)
            for engine in ("openvino", "tensorflow")
        )
        assert fast.labels == slow.labels
        assert abs(fast.scores - slow.scores).max() < 1e-3


def test_a_large_photo_decoded_small_is_still_the_same_thing() -> None:
    """A hot dog of 4.6 megapixels, in which the model sees a square of 224 pixels."""
    large = cv2.resize(photo("hot_dog"), None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", large[..., ::-1])
    recognizer = image_classification.build(
        classification_card(engine="openvino", resize="area", **FROZEN)
    )
    reduced = read_picture(bytes(data), least=recognizer.needed_sides)
    assert reduced.width == 2 * reduced.pixels.shape[1] == large.shape[1]
    small, whole = recognizer.recognize([reduced.pixels, decode(bytes(data))])
    recognizer.close()
    assert small.labels[0] == whole.labels[0] == "935:hotdog, hot dog, red hot"
    assert abs(small.scores[0] - whole.scores[0]) < 0.02


def test_the_seeds_retrained_graph_runs() -> None:
    result = classify("cat_720p", "retrained_graph.pb", "retrained_labels.txt")
    assert len(result) == 5 and result.scores.sum() == pytest.approx(1, abs=0.01)
    assert all(label.startswith("61326 ") for label in result.labels)


def detect(name: str, least: float, images: int = 1):
    card = ModelCard(
        DETECTION,
        Path("m.config"),
        "m",
        graph=SHARED / "models" / "coco_ssd_mobilenet_v1_quant.tflite",
        labels=SHARED / "models" / "coco_labelmap.txt",
        min_score=least,
    )
    recognizer = object_detection.build(card)
    try:
        return recognizer.recognize([photo(name)] * images)
    finally:
        recognizer.close()


def test_the_coco_detector_sees_persons_and_kites() -> None:
    results = detect("kite_and_cold", 0.5, images=3)
    for result in results:
        assert len(result) >= 8
        assert set(result.labels) == {"person", "kite"}
        assert result.scores[result.labels.index("person")] > 0.6
        assert (result.width, result.height) == (1352, 900)
        assert (result.boxes >= 0).all()
        assert (result.boxes[:, 2] <= 1352).all() and (result.boxes[:, 3] <= 900).all()
    assert results[0].to_dict() == results[2].to_dict()


@pytest.mark.parametrize(("name", "label"), [("cat_720p", "cat"), ("hot_dog", "hot dog")])
def test_the_coco_detector_names_what_it_sees(name: str, label: str) -> None:
    (result,) = detect(name, 0.6)
    assert result.labels == (label,)
