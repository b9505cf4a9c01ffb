"""Pixels on their way into a model, and whole recognizers of both kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import tiny_models
from support.scripted import card, grey, spec

from scai.models.cards import CLASSIFICATION, DETECTION
from scai.recognition.recognizer import as_input
from workers import image_classification, object_detection


@pytest.mark.parametrize(
    ("ends", "mean", "std", "level", "expected"),
    [
        # the original's default: 0 and 255
        (spec(), None, None, 255, 1.0),
        (spec(), 127.5, 127.5, 0, -1.0),
        # a mean of 0 is given, too
        (spec(), 0.0, 1.0, 7, 7.0),
        (spec(dtype="float16"), None, None, 255, 1.0),
        # whole numbers: the pixel itself, shifted for int8
        (spec(dtype="uint8"), None, None, 200, 200),
        (spec(dtype="uint8", scale=1 / 128, zero_point=128), None, None, 200, 200),
        (spec(dtype="int8", scale=1 / 255, zero_point=-128), None, None, 200, 72),
        # with mean and std: real values, stored by the input's scale
        (spec(dtype="int8", scale=1 / 127, zero_point=0), 127.5, 127.5, 255, 127),
        (spec(dtype="uint8", scale=1 / 255, zero_point=0), 0.0, 255.0, 200, 200),
    ],
)
def test_pixels_come_in_the_range_the_model_wants(ends, mean, std, level, expected) -> None:
    tensor = as_input(grey(level), ends, mean, std)
    assert str(tensor.dtype) == ends.dtype
    assert np.allclose(tensor, expected, atol=1e-3)


def test_both_kinds_run_without_a_model() -> None:
    (result,) = image_classification.build(card(CLASSIFICATION, engine="fake")).recognize([grey(9)])
    assert result.labels[0] == "class 0"
    photo = grey(0, 100, 200)
    photo[20:60, 50:150] = 250
    (found,) = object_detection.build(card(DETECTION, engine="fake")).recognize([photo])
    assert np.allclose(found.boxes, [[50, 20, 150, 60]]) and found.labels == ("class 5",)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_a_graph_of_the_detection_api_with_masks(engine: str, tmp_path: Path) -> None:
    labels = tmp_path / "map.pbtxt"
    labels.write_text('item { id: 1 name: "a" } item { id: 2 name: "red thing" }')
    model = card(DETECTION, graph=tiny_models.detector(), labels=labels, engine=engine)
    recognizer = object_detection.build(model)
    red, black = grey(0, 40, 60), grey(0, 90, 30)
    red[..., 0] = 204
    found, nothing = recognizer.recognize([red, black])
    assert found.labels == ("red thing",)
    assert np.allclose(found.boxes, [[0, 0, 30, 20]]) and np.allclose(found.scores, 0.8)
    assert found.masks.shape == (1, 15, 15) and found.masks[0, 0, 0] == 1
    assert len(nothing) == 0 and (nothing.width, nothing.height) == (30, 90)
    recognizer.close()


@pytest.mark.slow
def test_an_int8_model_is_fed_with_real_values_when_mean_and_std_are_given() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    results = []
    for graph in (tiny_models.tflite(), tiny_models.tflite_int8()):
        model = card(CLASSIFICATION, graph=graph, input_mean=0.0, input_std=255.0)
        recognizer = image_classification.build(model)
        results.append(recognizer.recognize([photo])[0])
    assert abs(results[0].scores[0] - results[1].scores[0]) < 0.05
    assert results[0].labels[0] == results[1].labels[0]


def test_the_digits_that_ship_are_recognised() -> None:
    from scai.models.cards import load_card

    root = Path(__file__).parents[2] / "usr"
    for kind, module in ((CLASSIFICATION, image_classification), (DETECTION, object_detection)):
        recognizer = module.build(load_card(root / f"{kind}.config", "default", kind))
        first, second = recognizer.recognize([grey(255, 50, 80), grey(0, 30, 30)])
        assert type(first) is type(second)
        recognizer.close()
