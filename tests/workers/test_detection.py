"""What the numbers of a detector mean: boxes, labels and masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.scripted import Scripted, card, grey, spec

from scai.errors import ConfigError
from scai.models.cards import DETECTION
from workers.object_detection import ObjectDetection

API = ["detection_boxes", "detection_scores", "detection_classes", "num_detections"]
TFLITE = ["TFLite_Detection_PostProcess" + s for s in ("", ":1", ":2", ":3")]
BOXES = [[0.0, 0.0, 0.5, 0.5], [0.5, 0.25, 1.0, 0.75], [-1, -1, 2, 2]]
SCORES = [0.5, 0.9, 0.1]
CLASSES = [1.0, 2.0, 3.0]
MAP = {1: "cat", 2: "dog", 3: "cow"}


def rows(values: Sequence, images: int) -> np.ndarray:
    return np.stack([np.array(values, np.float32)] * images)


def detector(
    outputs: Sequence[str] = API,
    names: dict[int, str] = MAP,
    order: str = "bscn",
    side: int | None = None,
    boxes: Sequence = BOXES,
    scores: Sequence[float] = SCORES,
    classes: Sequence[float] = CLASSES,
    count: float = 3,
    **values: object,
) -> ObjectDetection:
    parts = {"b": boxes, "s": scores, "c": classes, "n": count}
    engine = Scripted(
        spec(side, "uint8"), outputs, lambda batch: [rows(parts[k], len(batch)) for k in order]
    )
    return ObjectDetection(card(DETECTION, **values), engine, names)


def detections(recognizer: ObjectDetection, height: int = 100, width: int = 200) -> list[tuple]:
    (result,) = recognizer.recognize([grey(0, height, width)])
    return [
        (label, int(number), round(float(score), 2), [round(float(e)) for e in box])
        for label, number, score, box in zip(
            result.labels, result.class_ids, result.scores, result.boxes, strict=True
        )
    ]


def test_boxes_come_in_pixels_best_first_above_the_threshold() -> None:
    assert detections(detector()) == [
        ("dog", 2, 0.9, [50, 50, 150, 100]),
        ("cat", 1, 0.5, [0, 0, 100, 50]),
    ]


def test_boxes_are_clipped_to_the_picture() -> None:
    assert detections(detector(min_score=0.05))[-1] == ("cow", 3, 0.1, [0, 0, 200, 100])


def test_no_more_boxes_than_the_card_allows() -> None:
    assert [row[0] for row in detections(detector(min_score=0.05, max_detections=1))] == ["dog"]
    # What is drawn is another matter.
    assert len(detections(detector(min_score=0.05, max_boxes=0))) == 3


def test_rows_behind_the_count_are_not_read() -> None:
    assert [row[0] for row in detections(detector(count=1))] == ["cat"]


@pytest.mark.parametrize(
    "values",
    [
        {"scores": [np.nan, 0.9, 0.1]},
        {"boxes": [[np.nan, 0, 1, 1], *BOXES[1:]]},
        {"boxes": [[0, 0, np.inf, np.nan], *BOXES[1:]]},
        {"boxes": [[0.5, 0.5, 0.5, 0.9], *BOXES[1:]]},  # no area
        {"boxes": [[2, 2, 3, 3], *BOXES[1:]]},  # outside
        {"classes": [np.nan, 2, 3]},
        {"classes": [np.inf, 2, 3]},
    ],
)
def test_rows_that_make_no_sense_are_left_out(values: dict) -> None:
    assert [row[0] for row in detections(detector(**values))] == ["dog"]


@pytest.mark.parametrize("count", [np.nan, -1, 1e9])
def test_a_count_that_makes_no_sense_is_no_count(count: float) -> None:
    assert len(detections(detector(count=count))) == 2


@pytest.mark.parametrize(
    ("outputs", "names", "offset", "label"),
    [
        # TF Object Detection API: classes count from 1; class 1 is
        (API, MAP, None, "cat"),  # id 1 of a label map
        (API, {0: "cat", 1: "dog", 2: "cow"}, None, "cat"),  # the first line of a text file
        (API, {0: "???", 1: "cat", 2: "dog"}, None, "cat"),  # the first that stands for a class
        (API, {}, None, "class 1"),
        (API, MAP, 1, "dog"),  # stated
        # TFLite post-processing: from 0; class 1 is the second
        (TFLITE, {0: "a", 1: "cat"}, None, "cat"),
        (TFLITE, {0: "???", 1: "a", 2: "cat"}, None, "cat"),
        (TFLITE, {0: "background", 1: "a", 2: "cat"}, None, "cat"),
        (TFLITE, {1: "a", 2: "cat"}, None, "cat"),
        (TFLITE, {0: "a", 1: "b", 2: "c"}, 1, "c"),
    ],
)
def test_a_class_finds_its_label(outputs, names, offset, label: str) -> None:
    order = "bscn" if outputs is API else "bcsn"
    found = detections(detector(outputs, names, order, classes=[1.0] * 3, label_offset=offset))
    assert {row[0] for row in found} == {label}


@pytest.mark.parametrize("order", ["bcsn", "bscn", "sbnc", "nbsc"])
def test_nameless_outputs_are_told_apart_by_their_values(order: str) -> None:
    names = [f"StatefulPartitionedCall:{i}" for i in range(4)]
    found = detections(detector(names, {0: "x", 1: "cat", 2: "dog", 3: "cow"}, order))
    assert [row[0] for row in found] == ["dog", "cat"]


def test_outputs_of_no_detector_are_refused() -> None:
    engine = Scripted(spec(4, "uint8"), ["scores"], lambda b: [np.zeros((len(b), 5), np.float32)])
    with pytest.raises(ConfigError) as caught:
        ObjectDetection(card(DETECTION), engine, {})
    assert caught.value.message == (
        "m.config: [m] PATH_TO_CKPT: expected a detector's boxes, scores and classes as outputs, "
        "got scores (1, 5)"
    )


def test_photos_of_all_sizes_go_in_together_where_the_model_takes_any_size() -> None:
    recognizer = detector(max_side=100)
    photos = [grey(0, 100, 200), grey(0, 50, 60), grey(0, 100, 200), grey(0, 10, 20)]
    results = recognizer.recognize(photos)
    assert [(r.width, r.height) for r in results] == [(200, 100), (60, 50), (200, 100), (20, 10)]
    shapes = sorted(batch.shape for batch in recognizer.engine.seen)
    assert shapes == [(1, 10, 20, 3), (1, 50, 60, 3), (2, 50, 100, 3)]


def test_a_model_of_fixed_size_gets_one_batch() -> None:
    recognizer = detector(side=32)
    recognizer.recognize([grey(0, 100, 200), grey(0, 50, 60)])
    assert [batch.shape for batch in recognizer.engine.seen] == [(2, 32, 32, 3)]


def test_letterboxed_boxes_are_places_in_the_picture() -> None:
    """A picture twice as wide as high fills the upper half of the square."""
    found = detections(detector(side=32, resize="letterbox", boxes=[[0, 0.5, 0.25, 1.0]] * 3))
    assert found[0][3] == [100, 0, 200, 50]


def test_masks_come_with_their_boxes() -> None:
    masks = np.stack([np.full((5, 5), level, np.float32) for level in (0.1, 0.2, 0.3)])
    parts = {"b": BOXES, "s": SCORES, "c": CLASSES, "n": 3, "m": masks}
    engine = Scripted(
        spec(None, "uint8"),
        [*API, "detection_masks"],
        lambda batch: [rows(parts[k], len(batch)) for k in "bscnm"],
    )
    (result,) = ObjectDetection(card(DETECTION), engine, MAP).recognize([grey(0)])
    assert np.allclose(result.masks[:, 0, 0], [0.2, 0.1])
