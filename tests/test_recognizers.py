"""What the numbers of a model mean: pixels in, classes or boxes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from scai.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.engines.base import EngineBase, TensorSpec
from scai.errors import ConfigError, EngineError
from scai.recognizer import as_input
from workers import image_classification, object_detection
from workers.image_classification import ImageClassification
from workers.object_detection import ObjectDetection

Answer = Callable[[np.ndarray], list[np.ndarray]]


class Scripted(EngineBase):
    """An engine that says what the test says, and remembers the batches it saw."""

    name = "scripted"

    def __init__(self, spec: TensorSpec, outputs: Sequence[str], answer: Answer) -> None:
        self.input = spec
        self.outputs = tuple(TensorSpec(name, (None,), "float32") for name in outputs)
        self.answer = answer
        self.seen: list[np.ndarray] = []

    def infer(self, batch: np.ndarray) -> list[np.ndarray]:
        self.seen.append(batch)
        return self.answer(batch)


def spec(side: int | None = 4, dtype: str = "float32", **quantised: float) -> TensorSpec:
    return TensorSpec("input", (None, side, side, 3), dtype, **quantised)


def card(kind: str, **values: object) -> ModelCard:
    return ModelCard(kind, Path("m.config"), "m", **values)


def grey(level: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


# -- input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "mean", "std", "level", "expected"),
    [
        # the seed's default: 0 and 255
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


# -- classification ---------------------------------------------------------------------------

NAMES = {0: "cat", 1: "dog", 2: "cow"}


def classifier(
    scores: Sequence[float], names: dict[int, str] = NAMES, **values: object
) -> ImageClassification:
    row = np.array(scores, np.float32)
    engine = Scripted(spec(), ["scores"], lambda batch: [np.tile(row, (len(batch), 1))])
    return ImageClassification(card(CLASSIFICATION, **values), engine, names)


def shown(result) -> list[tuple[str, int, float]]:
    rows = zip(result.labels, result.indices, result.scores, strict=True)
    return [(label, int(index), round(float(score), 2)) for label, index, score in rows]


def test_the_best_classes_come_first() -> None:
    (result,) = classifier([0.1, 0.7, 0.2], top_k=2).recognize([grey(0)])
    assert shown(result) == [("dog", 1, 0.7), ("cow", 2, 0.2)]


def test_more_classes_than_labels_wanted_are_all_there_are() -> None:
    (result,) = classifier([0.1, 0.7, 0.2], top_k=50).recognize([grey(0)])
    assert len(result) == 3


def test_scores_that_are_no_numbers_count_as_nothing() -> None:
    (result,) = classifier([np.nan, 0.7, np.inf]).recognize([grey(0)])
    assert shown(result)[0] == ("dog", 1, 0.7)
    assert np.isfinite(result.scores).all()


def test_trailing_axes_of_one_are_squeezed() -> None:
    row = np.array([0.1, 0.7, 0.2], np.float32).reshape(1, 1, 1, 3)
    engine = Scripted(spec(), ["scores"], lambda batch: [np.tile(row, (len(batch), 1, 1, 1))])
    (result,) = ImageClassification(card(CLASSIFICATION), engine, NAMES).recognize([grey(0)])
    assert result.labels[0] == "dog"


@pytest.mark.parametrize(
    ("scores", "activation", "best"),
    [
        ([0.0, 2.0, -1.0], "auto", 0.84),  # logits
        ([8.0, 10.0, 9.0], "auto", 0.67),  # logits without a negative one
        ([0.1, 0.7, 0.2], "auto", 0.7),  # probabilities
        ([0.1, 0.8, 0.7], "auto", 0.8),  # independent scores stay
        ([0.0, 2.0, -1.0], "none", 2.0),
        ([0.1, 0.7, 0.2], "softmax", 0.46),
    ],
)
def test_logits_become_probabilities(scores, activation: str, best: float) -> None:
    (result,) = classifier(scores, activation=activation).recognize([grey(0)])
    assert shown(result)[0][2] == best


@pytest.mark.parametrize(
    ("names", "offset", "sentence"),
    [
        ({0: "cat"}, None, "expected 3 labels, as many as the model has scores, got 1"),
        (
            {0: "background", **{i + 1: n for i, n in NAMES.items()}},
            None,
            "got 4 in None; state LABEL_OFFSET = 1 if the first label stands for none",
        ),
        (NAMES, 1, "expected 3 labels, as many as the model has scores, got 2"),
    ],
)
def test_labels_that_do_not_fit_the_model_are_refused(names, offset, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        classifier([0.1, 0.7, 0.2], names, label_offset=offset)
    assert caught.value.message.startswith("m.config: [m] LABELS: ")
    assert sentence in caught.value.message


def test_a_label_offset_skips_the_first_line() -> None:
    names = {0: "background", 1: "cat", 2: "dog", 3: "cow"}
    (result,) = classifier([0.1, 0.7, 0.2], names, label_offset=1).recognize([grey(0)])
    assert shown(result)[0] == ("dog", 2, 0.7)


def test_without_labels_classes_have_numbers() -> None:
    (result,) = classifier([0.1, 0.7, 0.2], {}).recognize([grey(0)])
    assert result.labels[0] == "class 1"


def test_several_outputs_are_a_wrong_layer() -> None:
    engine = Scripted(spec(), ["a", "b"], lambda batch: [np.zeros((len(batch), 3))] * 2)
    with pytest.raises(ConfigError, match="OUTPUT_LAYER: expected one output, got a, b"):
        ImageClassification(card(CLASSIFICATION), engine, NAMES)


def test_a_free_input_gets_the_cards_size_or_the_seeds() -> None:
    for values, size in (
        ({}, (299, 299)),
        ({"input_height": 32, "input_width": 48}, (32, 48)),
    ):
        answer = lambda batch: [np.ones((len(batch), 1), np.float32)]  # noqa: E731
        engine = Scripted(spec(None), ["scores"], answer)
        recognizer = ImageClassification(card(CLASSIFICATION, **values), engine, {})
        assert recognizer.prepare(grey(0)).shape == (*size, 3)


def test_results_come_in_the_order_of_the_images_whatever_the_batches() -> None:
    def answer(batch: np.ndarray) -> list[np.ndarray]:
        level = batch.mean((1, 2, 3))
        return [np.stack([level, 1 - level], 1).astype(np.float32)]

    engine = Scripted(spec(), ["scores"], answer)
    recognizer = ImageClassification(card(CLASSIFICATION, batch=3), engine, {})
    engine.seen.clear()
    levels = [0, 30, 60, 90, 120, 200, 250]
    results = recognizer.recognize([grey(level) for level in levels])
    found = [float(r.scores[list(r.indices).index(0)]) for r in results]
    assert np.allclose(found, np.array(levels) / 255, atol=1e-3)
    assert [len(batch) for batch in engine.seen] == [3, 3, 1]
    assert recognizer.max_batch == 3
    assert recognizer.recognize([]) == []


def test_an_output_with_too_few_rows_is_an_engine_error() -> None:
    recognizer = classifier([0.1, 0.7, 0.2])
    recognizer.engine.answer = lambda batch: [np.zeros((1, 3), np.float32)]
    with pytest.raises(EngineError, match="for 2 images"):
        recognizer.recognize([grey(0), grey(1)])


# -- detection --------------------------------------------------------------------------------

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


def seen(recognizer: ObjectDetection, height: int = 100, width: int = 200) -> list[tuple]:
    (result,) = recognizer.recognize([grey(0, height, width)])
    return [
        (label, int(number), round(float(score), 2), [round(float(e)) for e in box])
        for label, number, score, box in zip(
            result.labels, result.class_ids, result.scores, result.boxes, strict=True
        )
    ]


def test_boxes_come_in_pixels_best_first_above_the_threshold() -> None:
    assert seen(detector()) == [
        ("dog", 2, 0.9, [50, 50, 150, 100]),
        ("cat", 1, 0.5, [0, 0, 100, 50]),
    ]


def test_boxes_are_clipped_to_the_picture() -> None:
    assert seen(detector(min_score=0.05))[-1] == ("cow", 3, 0.1, [0, 0, 200, 100])


def test_no_more_boxes_than_the_card_allows() -> None:
    assert [row[0] for row in seen(detector(min_score=0.05, max_detections=1))] == ["dog"]
    # What is drawn is another matter.
    assert len(seen(detector(min_score=0.05, max_boxes=0))) == 3


def test_rows_behind_the_count_are_not_read() -> None:
    assert [row[0] for row in seen(detector(count=1))] == ["cat"]


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
    assert [row[0] for row in seen(detector(**values))] == ["dog"]


@pytest.mark.parametrize("count", [np.nan, -1, 1e9])
def test_a_count_that_makes_no_sense_is_no_count(count: float) -> None:
    assert len(seen(detector(count=count))) == 2


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
    found = seen(detector(outputs, names, order, classes=[1.0] * 3, label_offset=offset))
    assert {row[0] for row in found} == {label}


@pytest.mark.parametrize("order", ["bcsn", "bscn", "sbnc", "nbsc"])
def test_nameless_outputs_are_told_apart_by_their_values(order: str) -> None:
    names = [f"StatefulPartitionedCall:{i}" for i in range(4)]
    found = seen(detector(names, {0: "x", 1: "cat", 2: "dog", 3: "cow"}, order))
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
    found = seen(detector(side=32, resize="letterbox", boxes=[[0, 0.5, 0.25, 1.0]] * 3))
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


# -- whole way --------------------------------------------------------------------------------


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
    from scai.cards import load_card

    root = Path(__file__).parents[1] / "usr"
    for kind, module in ((CLASSIFICATION, image_classification), (DETECTION, object_detection)):
        recognizer = module.build(load_card(root / f"{kind}.config", "default", kind))
        first, second = recognizer.recognize([grey(255, 50, 80), grey(0, 30, 30)])
        assert type(first) is type(second)
        recognizer.close()
