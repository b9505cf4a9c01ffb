"""Results keep stated shapes and travel through JSON unharmed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scai.recognition.results import (
    Classification,
    Detections,
    as_classification,
    as_detections,
    from_dict,
)


def classes(labels: list[str], scores: list[float]) -> Classification:
    return Classification(tuple(labels), np.arange(len(labels)), np.array(scores, np.float32))


def boxes(n: int) -> Detections:
    return Detections(
        boxes=np.array([[1.25, 2, 30.04, 40]] * n).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, n),
        class_ids=np.arange(n),
        labels=tuple(f"thing {i}" for i in range(n)),
        width=64,
        height=48,
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"boxes": np.zeros((2, 3))}, r"boxes: expected shape (1, 4), got (2, 3)"),
        ({"scores": np.zeros(2)}, r"scores: expected shape (1,), got (2,)"),
        ({"class_ids": np.zeros((1, 1))}, r"class_ids: expected shape (1,), got (1, 1)"),
        ({"masks": np.zeros((2, 5, 5))}, r"masks: expected shape (1, any, any), got (2, 5, 5)"),
    ],
)
def test_a_wrong_shape_is_refused_with_both_shapes(change: dict, sentence: str) -> None:
    good = boxes(1)
    values = {name: getattr(good, name) for name in good.__dataclass_fields__}
    with pytest.raises(ValueError) as caught:
        Detections(**{**values, **change})
    assert str(caught.value) == sentence


def test_scores_of_a_classification_must_descend() -> None:
    with pytest.raises(ValueError, match="descending"):
        classes(["a", "b"], [0.1, 0.9])


def test_arrays_get_their_dtypes() -> None:
    found = boxes(2)
    assert (found.boxes.dtype, found.scores.dtype, found.class_ids.dtype) == (
        np.float32,
        np.float32,
        np.int64,
    )


@pytest.mark.parametrize("result", [classes(["a", "b"], [0.7, 0.2]), boxes(0), boxes(3)])
def test_a_result_survives_json(result: Classification | Detections) -> None:
    again = from_dict(json.loads(json.dumps(result.to_dict())))
    assert type(again) is type(result)
    assert again.to_dict() == result.to_dict()
    assert len(again) == len(result)


def test_detections_are_shown_in_pixels() -> None:
    assert boxes(1).to_dict() == {
        "width": 64,
        "height": 48,
        "predictions": [
            {
                "label": "thing 0",
                "class_id": 0,
                "score": 0.9,
                "box": {"x_min": 1.2, "y_min": 2.0, "x_max": 30.0, "y_max": 40.0},
            }
        ],
    }


def test_nothing_found_is_a_value() -> None:
    assert len(Detections.empty(10, 20)) == len(Classification.empty()) == 0
    assert Classification.empty().seed_text() == "{}"


@pytest.mark.parametrize(
    ("labels", "scores", "shown"),
    [
        # the original's form: one decimal and a percent sign, best first
        (["daisy", "roses"], [0.9732, 0.012], {"daisy": "97.3%", "roses": "1.2%"}),
        # one label twice must not vanish
        (["a", "a", "a"], [0.5, 0.3, 0.2], {"a": "50.0%", "a (2)": "30.0%", "a (3)": "20.0%"}),
        # a label that looks like our suffix
        (["a", "a (2)", "a"], [0.5, 0.3, 0.2], {"a": "50.0%", "a (2)": "30.0%", "a (3)": "20.0%"}),
        # never more than five
        (list("abcdefg"), [0.2] * 7, {c: "20.0%" for c in "abcde"}),
        (["埃及貓"], [1.0], {"埃及貓": "100.0%"}),
    ],
)
def test_the_seed_sees_at_most_five_labels_with_percent(
    labels: list[str], scores: list[float], shown: dict[str, str]
) -> None:
    text = classes(labels, scores).seed_text()
    assert list(json.loads(text).items()) == list(shown.items())


def test_each_result_says_what_others_need_of_it() -> None:
    named, found = classes(["cat", "dog"], [0.973, 0.012]), boxes(3)
    assert (named.summary(), found.summary()) == ("cat 97.3%", "3 found")
    assert (Classification.empty().summary(), Detections.empty(8, 6).summary()) == (
        "no class",
        "0 found",
    )
    assert named.drawing is None and found.seed_text() == ""
    assert len(found.drawing) == 3
    assert (found.drawing.boxes == found.boxes).all() and found.drawing.labels == found.labels


def test_a_result_of_another_shape_is_refused_by_name() -> None:
    labels, objects = Classification.empty(), Detections.empty(10, 10)
    assert as_classification(labels) is labels
    assert as_detections(objects) is objects
    with pytest.raises(TypeError, match="expected labels of the whole picture, got Detections"):
        as_classification(objects)
    with pytest.raises(TypeError, match="expected boxes, got Classification"):
        as_detections(labels)
