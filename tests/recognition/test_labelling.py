"""Which label belongs to which class, by the form of the label file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from scai.engines.base import EngineBase, TensorSpec
from scai.errors import ConfigError
from scai.models import labels
from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.recognition.recognizer import Options
from workers.image_classification import ImageClassification
from workers.object_detection import ObjectDetection

SPARSE = 'item { id: 3 name: "car" }\nitem { id: 6 name: "bus" }\n'
MAP = "".join(f'item {{ id: {n} name: "{name}" }}\n' for n, name in enumerate("abc", 1))
PIXELS = np.zeros((6, 8, 3), np.uint8)


class Answers(EngineBase):
    """Gives the same numbers for every picture."""

    name = "answers"

    def __init__(self, source: TensorSpec, outputs: dict[str, Sequence]) -> None:
        self.input = source
        self.outputs = tuple(TensorSpec(name, (None,), "float32") for name in outputs)
        self._arrays = [np.array(values, np.float32) for values in outputs.values()]

    def infer(self, batch: np.ndarray) -> list[np.ndarray]:
        return [np.stack([array] * len(batch)) for array in self._arrays]


def detector(tmp_path: Path, text: str, classes: Sequence[float], **keys: object) -> list[str]:
    file = tmp_path / ("map.pbtxt" if "item" in text else "labels.txt")
    file.write_text(text)
    count = len(classes)
    engine = Answers(
        TensorSpec("image_tensor", (None, None, None, 3), "uint8"),
        {
            "num_detections": count,
            "detection_boxes": [[0.0, 0.0, 1.0, 1.0]] * count,
            "detection_scores": [0.9] * count,
            "detection_classes": classes,
        },
    )
    card = ModelCard(DETECTION, Path("m.config"), "m", labels=file, **keys)
    [result] = ObjectDetection(card, engine, labels.read(file)).recognize([PIXELS])
    return list(result.labels)


def classifier(tmp_path: Path, text: str, scores: Sequence[float], **keys: object) -> list[str]:
    file = tmp_path / ("map.pbtxt" if "item" in text else "labels.txt")
    file.write_text(text)
    engine = Answers(TensorSpec("input", (None, 4, 4, 3), "float32"), {"scores": scores})
    card = ModelCard(CLASSIFICATION, Path("m.config"), "m", labels=file, **keys)
    [result] = ImageClassification(card, engine, labels.read(file)).recognize([PIXELS])
    return list(result.labels)


def test_the_ids_of_a_map_are_the_models_own_however_few_it_names(tmp_path: Path) -> None:
    assert detector(tmp_path, SPARSE, [1.0, 3.0, 6.0]) == ["class 1", "car", "bus"]


def test_a_map_for_a_classifier_counts_from_one(tmp_path: Path) -> None:
    assert classifier(tmp_path, MAP, [0.7, 0.2, 0.1]) == ["a", "b", "c"]
    assert classifier(tmp_path, "a\nb\nc\n", [0.7, 0.2, 0.1]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "wanted", "fits"),
    [
        (MAP, 3, True),
        (SPARSE, 6, True),  # the largest id
        (SPARSE, 2, True),  # how many are named
        (SPARSE, 90, False),
        ("a\nb\n", 2, True),
        ("???\na\nb\n", 2, True),
        ("???\na\n???\nb\n", 3, True),  # as COCO's list: 90 places, 80 names
        ("???\na\n???\nb\n", 2, True),
        ("a\nb\n", 7, False),
        ("a\nb\n", 1, False),
    ],
)
def test_num_classes_must_be_that_of_the_label_file(
    tmp_path: Path, text: str, wanted: int, fits: bool
) -> None:
    if fits:
        detector(tmp_path, text, [1.0], num_classes=wanted)
        return
    with pytest.raises(ConfigError, match=r"m\.config: \[m\] NUM_CLASSES: expected \d"):
        detector(tmp_path, text, [1.0], num_classes=wanted)


def test_a_map_is_known_by_its_form_too(tmp_path: Path) -> None:
    assert labels.is_map(tmp_path / "x.PBTXT")
    (tmp_path / "map.txt").write_text("# classes\nitem {\n id: 1\n name: 'a'\n}\n")
    assert labels.read(tmp_path / "map.txt") == {1: "a"}
    (tmp_path / "plain.txt").write_text("item\nitems\n")
    assert labels.read(tmp_path / "plain.txt") == {0: "item", 1: "items"}


def test_items_nested_without_end_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "deep.pbtxt").write_text("item {" + " x {" * 100_000)
    with pytest.raises(ConfigError, match=r"deep\.pbtxt"):
        labels.read(tmp_path / "deep.pbtxt")


def test_scores_below_zero_are_answered_unless_a_threshold_is_asked(tmp_path: Path) -> None:
    scores = [-0.1, -2.0, -3.0]  # logarithms of probabilities
    assert classifier(tmp_path, MAP, scores, activation="none") == ["a", "b", "c"]
    file = tmp_path / "map.pbtxt"
    engine = Answers(TensorSpec("input", (None, 4, 4, 3), "float32"), {"scores": scores})
    card = ModelCard(CLASSIFICATION, Path("m.config"), "m", labels=file, activation="none")
    model = ImageClassification(card, engine, labels.read(file))
    [result] = model.recognize([PIXELS], [Options(threshold=-1.0)])
    assert result.labels == ("a",)


def test_a_logit_that_is_no_number_never_wins(tmp_path: Path) -> None:
    assert classifier(tmp_path, MAP, [-8.0, -np.inf, -9.0])[0] == "a"
    assert classifier(tmp_path, MAP, [-8.0, np.nan, -9.0])[0] == "a"


def test_a_model_of_one_channel_sees_grey(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    class Grey(Answers):
        def infer(self, batch: np.ndarray) -> list[np.ndarray]:
            seen.append(batch)
            return super().infer(batch)

    file = tmp_path / "labels.txt"
    file.write_text("a\nb\n")
    engine = Grey(TensorSpec("input", (None, 4, 4, 1), "float32"), {"scores": [0.9, 0.1]})
    card = ModelCard(CLASSIFICATION, Path("m.config"), "m", labels=file)
    model = ImageClassification(card, engine, labels.read(file))
    model.recognize([np.full((6, 8, 3), (255, 0, 0), np.uint8)])
    assert seen[-1].shape == (1, 4, 4, 1)
    assert seen[-1].mean() == pytest.approx(0.299, abs=0.01)


def test_a_model_of_five_channels_is_refused(tmp_path: Path) -> None:
    engine = Answers(TensorSpec("input", (None, 4, 4, 5), "float32"), {"scores": [0.9, 0.1]})
    with pytest.raises(ConfigError, match=r"\[m\] INPUT_LAYER: expected an input of 1 or 3"):
        ImageClassification(ModelCard(CLASSIFICATION, Path("m.config"), "m"), engine, {})
