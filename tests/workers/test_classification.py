"""What the numbers of a classifier mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.scripted import Scripted, card, grey, spec

from scai.errors import ConfigError, EngineError
from scai.models.cards import CLASSIFICATION
from workers.image_classification import ImageClassification

NAMES = {0: "cat", 1: "dog", 2: "cow"}


def classifier(
    scores: Sequence[float], names: dict[int, str] = NAMES, **values: object
) -> ImageClassification:
    row = np.array(scores, np.float32)
    engine = Scripted(spec(), ["scores"], lambda batch: [np.tile(row, (len(batch), 1))])
    return ImageClassification(card(CLASSIFICATION, **values), engine, names)


def rows_of(result) -> list[tuple[str, int, float]]:
    rows = zip(result.labels, result.indices, result.scores, strict=True)
    return [(label, int(index), round(float(score), 2)) for label, index, score in rows]


def test_the_best_classes_come_first() -> None:
    (result,) = classifier([0.1, 0.7, 0.2], top_k=2).recognize([grey(0)])
    assert rows_of(result) == [("dog", 1, 0.7), ("cow", 2, 0.2)]


def test_more_classes_than_labels_wanted_are_all_there_are() -> None:
    (result,) = classifier([0.1, 0.7, 0.2], top_k=50).recognize([grey(0)])
    assert len(result) == 3


def test_scores_that_are_no_numbers_count_as_nothing() -> None:
    (result,) = classifier([np.nan, 0.7, np.inf]).recognize([grey(0)])
    assert rows_of(result)[0] == ("dog", 1, 0.7)
    assert np.isfinite(result.scores).all()


@pytest.mark.parametrize(
    ("values", "least"),
    [
        ({}, None),
        ({"resize": "area"}, (16, 16)),
        ({"resize": "area", "decode": "reduced"}, (8, 8)),
        ({"decode": "reduced"}, (8, 8)),
        ({"resize": "tf1", "decode": "reduced"}, None),
        ({"resize": "letterbox", "decode": "reduced"}, None),
        ({"resize": "area", "decode": "full"}, None),
    ],
)
def test_a_photo_is_decoded_no_smaller_than_its_answer_allows(values: dict, least) -> None:
    assert classifier([1.0, 0.0, 0.0], **values).needed_sides == least


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
    assert rows_of(result)[0][2] == best


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
    assert rows_of(result)[0] == ("dog", 2, 0.7)


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
