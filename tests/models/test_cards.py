"""A model card is read from the original's files and ours; a wrong one ends in one sentence."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from scai.errors import ConfigError
from scai.models.cards import CLASSIFICATION, DETECTION, load_card, sections
from scai.pictures.pixels import METHODS

SEED_CLASSIFICATION = """
[default]
LABELS = retrained_labels.txt
GRAPH = retrained_graph.pb
INPUT_LAYER = Placeholder
OUTPUT_LAYER = final_result

[google]
LABELS = retrained_labels.txt
GRAPH = retrained_graph.pb
INPUT_LAYER = Mul
OUTPUT_LAYER = final_result
"""
SEED_DETECTION = """
[default]
USR_PATH = ./usr/
PATH_TO_CKPT = /ssd/frozen_inference_graph.pb
PATH_TO_LABELS = ssd/label_map.pbtxt
NUM_CLASSES = 90
IMAGE_SIZE = 15,10
max_boxes_to_draw = 20
min_score_thresh = .4
line_thickness = 4
"""


@pytest.fixture
def usr(tmp_path: Path) -> Path:
    """A folder with model files that exist and mean nothing."""
    for name in ("m.pb", "l.txt", "retrained_graph.pb", "retrained_labels.txt"):
        (tmp_path / name).write_text("x\n")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    file = folder / "models.config"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_seeds_classification_file_loads_as_it_is(usr: Path, caplog) -> None:
    config = write(usr, SEED_CLASSIFICATION)
    card = load_card(config, "google", CLASSIFICATION)
    assert sections(config) == ["default", "google"]
    assert (card.graph, card.labels) == (usr / "retrained_graph.pb", usr / "retrained_labels.txt")
    assert (card.input_layer, card.output_layer, card.top_k) == ("Mul", "final_result", 5)
    assert not caplog.records


def test_the_seeds_detection_file_loads_as_it_is(usr: Path, monkeypatch, caplog) -> None:
    (usr / "usr" / "ssd").mkdir(parents=True)
    graph = usr / "usr" / "ssd" / "frozen_inference_graph.pb"
    labels = usr / "usr" / "ssd" / "label_map.pbtxt"
    graph.touch()
    labels.touch()
    card = load_card(write(usr, SEED_DETECTION), "default", DETECTION)
    assert (card.graph, card.labels) == (graph, labels)
    assert (card.num_classes, card.max_boxes, card.min_score, card.line_thickness) == (
        90,
        20,
        0.4,
        4,
    )
    assert not caplog.records
    # As the original has it: the file within usr/, USR_PATH from the folder above.
    (usr / "usr" / "od.config").write_text(SEED_DETECTION)
    monkeypatch.chdir(usr)
    assert load_card(Path("usr/od.config"), "default", DETECTION).graph.samefile(graph)


def test_our_keys_are_read_whatever_their_case(usr: Path) -> None:
    text = """[m]
graph = m.pb
Labels = l.txt
ENGINE = TensorFlow
input_height = 96
INPUT_WIDTH = 128
INPUT_MEAN = 0
INPUT_STD = 1.5
RESIZE = TF1
ACTIVATION = softmax
TOP_K = 3
LABEL_OFFSET = -1
THREADS = 2
BATCH = 4
CACHE = cache
"""
    card = load_card(write(usr, text), "m", CLASSIFICATION)
    assert (card.engine, card.input_height, card.input_width) == ("tensorflow", 96, 128)
    assert (card.input_mean, card.input_std, card.resize) == (0.0, 1.5, "tf1")
    assert (card.activation, card.top_k, card.label_offset) == ("softmax", 3, -1)
    assert (card.threads, card.batch, card.cache) == (2, 4, usr / "cache")


def test_use_points_to_another_section(usr: Path) -> None:
    text = "[default]\nUSE = a\n[a]\nUSE = b\n[b]\nGRAPH = m.pb\nLABELS = l.txt\n"
    card = load_card(write(usr, text), "default", CLASSIFICATION)
    assert card.name == "b"
    assert card.where("GRAPH").endswith("models.config: [b] GRAPH")


def test_the_command_line_wins_and_zero_counts(usr: Path, tmp_path: Path, monkeypatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "m.pb").touch()
    monkeypatch.chdir(elsewhere)
    config = write(usr, "[m]\nGRAPH = m.pb\nLABELS = l.txt\nINPUT_MEAN = 127.5\nINPUT_STD = 1\n")
    overrides = {"graph": "m.pb", "input_mean": 0, "input_std": None, "image": "x.jpg"}
    card = load_card(config, "m", CLASSIFICATION, overrides)
    assert card.graph == Path("m.pb")  # the current folder's, not the one beside the file
    assert (card.input_mean, card.input_std) == (0.0, 1.0)


def test_the_fake_engine_needs_no_files(usr: Path) -> None:
    card = load_card(write(usr, "[m]\nENGINE = fake\n"), "m", CLASSIFICATION)
    assert (card.graph, card.labels) == (None, None)


GOOD = "[m]\nGRAPH = m.pb\nLABELS = l.txt\n"


@pytest.mark.parametrize(
    ("text", "section", "sentence"),
    [
        (
            GOOD,
            "x",
            "{f}: expected one of the sections m, got 'x'",
        ),
        (
            "[m]\nGRAPH = m.pb\n",
            "m",
            "{f}: [m] LABELS: expected a path, got nothing",
        ),
        (
            "[m]\nGRAPH = none.pb\nLABELS = l.txt\n",
            "m",
            "{f}: [m] GRAPH: expected a file, got 'none.pb', which is not at {d}/none.pb",
        ),
        (
            "[m]\nGRAPH = m.pb\nLABELS = .\n",
            "m",
            "{f}: [m] LABELS: expected a file, got the folder {d}",
        ),
        (
            GOOD + "ENGINE = openvin\n",
            "m",
            "{f}: [m] ENGINE: expected one of auto, fake, litert, openvino, tensorflow, "
            "got 'openvin'; did you mean openvino?",
        ),
        (
            GOOD + "INPUT_MEAN = grey\n",
            "m",
            "{f}: [m] INPUT_MEAN: expected a number, got 'grey'",
        ),
        (
            GOOD + "INPUT_MEAN = nan\n",
            "m",
            "{f}: [m] INPUT_MEAN: expected a number, got 'nan'",
        ),
        (
            GOOD + "INPUT_STD = 0\n",
            "m",
            "{f}: [m] INPUT_STD: expected a number other than 0, got '0'",
        ),
        (
            GOOD + "INPUT_HEIGHT = 0\n",
            "m",
            "{f}: [m] INPUT_HEIGHT: expected a number of pixels, at least 1, got '0'",
        ),
        (
            GOOD + "TOP_K = 2.5\n",
            "m",
            "{f}: [m] TOP_K: expected a whole number, at least 1, got '2.5'",
        ),
        (
            GOOD + "RESIZE = cubic\n",
            "m",
            "{f}: [m] RESIZE: expected one of bilinear, area, tf1, letterbox, got 'cubic'",
        ),
        (
            "[m]\nUSE = n\n",
            "m",
            "{f}: [m] USE: expected one of the sections m, got 'n'",
        ),
        (
            "[a]\nUSE = b\n[b]\nUSE = a\n",
            "a",
            "{f}: [a] USE: expected an end, got the circle a -> b -> a",
        ),
        (
            "GRAPH = m.pb\n",
            "m",
            "{f}: cannot be read: File contains no section headers. file: '{f}', line: 1 "
            "'GRAPH = m.pb\\n'",
        ),
    ],
)
def test_a_wrong_card_ends_in_one_sentence(
    usr: Path, text: str, section: str, sentence: str
) -> None:
    config = write(usr, text)
    with pytest.raises(ConfigError) as caught:
        load_card(config, section, CLASSIFICATION)
    assert caught.value.message == sentence.format(f=config, d=usr)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("min_score_thresh = 40", "min_score_thresh: expected a number from 0 to 1, got '40'"),
        ("line_thickness = 0", "line_thickness: expected a number of pixels, at least 1, got '0'"),
        ("max_boxes_to_draw = -1", "max_boxes_to_draw: expected a whole number, at least 0"),
    ],
)
def test_a_wrong_detection_key_is_named(usr: Path, line: str, sentence: str) -> None:
    config = write(usr, f"[m]\nPATH_TO_CKPT = m.pb\nPATH_TO_LABELS = l.txt\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_card(config, "m", DETECTION)
    assert sentence.lower() in caught.value.message.lower()


def test_a_wrong_option_is_named_as_an_option(usr: Path) -> None:
    config = write(usr, GOOD)
    for overrides, sentence in (
        ({"input_std": 0}, "option --input_std: expected a number other than 0, got '0'"),
        ({"graph": "none.pb"}, "option --graph: expected a file, got 'none.pb'"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_card(config, "m", CLASSIFICATION, overrides)
        assert caught.value.message.startswith(sentence)


def test_an_unknown_key_is_a_warning_with_the_nearest(usr: Path, caplog) -> None:
    config = write(usr, GOOD + "INPUT_LAYERS = x\nmin_score_thresh = 1\n")
    with caplog.at_level(logging.WARNING):
        load_card(config, "m", CLASSIFICATION)
    assert [r.getMessage() for r in caplog.records] == [
        f"{config}: [m] INPUT_LAYERS is unknown; did you mean INPUT_LAYER?",
        f"{config}: [m] MIN_SCORE_THRESH is unknown",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        sections(tmp_path / "none.config")


@pytest.mark.parametrize("kind", [CLASSIFICATION, DETECTION])
def test_the_cards_that_ship_are_sound(kind: str, caplog) -> None:
    config = Path(__file__).parents[2] / "usr" / f"{kind}.config"
    for section in sections(config):
        card = load_card(config, section, kind)
        assert card.graph.exists() and card.labels.exists()
    assert not caplog.records


def test_the_card_and_the_pixels_know_the_same_ways_to_resize(usr: Path) -> None:
    for method in METHODS:
        config = write(usr, GOOD + f"RESIZE = {method}\n")
        assert load_card(config, "m", CLASSIFICATION).resize == method


@pytest.mark.parametrize("value", ["auto", "full", "REDUCED"])
def test_how_jpegs_are_decoded_is_said_by_the_card(usr: Path, value: str) -> None:
    config = write(usr, GOOD + f"DECODE = {value}\n")
    assert load_card(config, "m", CLASSIFICATION).decode == value.lower()
