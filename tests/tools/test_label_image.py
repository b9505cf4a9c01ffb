"""The classification test of one picture: flags in place of the section, or alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.helpers import picture

from scai.models.cards import CLASSIFICATION, OVERRIDES
from scai.settings import ROOT
from tools import label_image
from tools.label_image import card_of


def run(*words: object) -> Result:
    return CliRunner().invoke(label_image.main, [str(word) for word in words])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("dark\nmiddle grey\nbright\n")
    (tmp_path / "model.pb").write_bytes(b"")
    path = tmp_path / "m.config"
    path.write_text(
        "[default]\nUSE = levels\n"
        "[levels]\nENGINE = fake\nLABELS = labels.txt\nTOP_K = 2\nINPUT_MEAN = 10\nINPUT_STD = 20\n"
    )
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(picture((20, 30), (128, 128, 128), "PNG"))
    return path


def test_labels_and_scores_stand_on_lines_best_first(config: Path, photo: Path) -> None:
    found = run("--image", photo, "--config", config)
    assert (found.exit_code, found.output) == (0, "middle grey 0.900000\ndark 0.050000\n")
    found = run("--image", photo, "--config", config, "--usedconfig", "levels", "--top_k", 3)
    assert [line.rpartition(" ")[0] for line in found.output.splitlines()] == [
        "middle grey",
        "dark",
        "bright",
    ]


def test_json_is_what_the_server_answers(config: Path, photo: Path) -> None:
    found = run("--image", photo, "--config", config, "--top_k", 1, "--json")
    assert json.loads(found.output) == {
        "predictions": [{"label": "middle grey", "index": 1, "score": 0.9}]
    }


def values(**given: object) -> dict[str, object]:
    return {key: given.get(key) for key in OVERRIDES}


def test_flags_take_the_place_of_the_section_and_zero_counts(config: Path) -> None:
    card = card_of(config, None, None, values(input_mean=0.0, input_height=64))
    assert (card.input_mean, card.input_std, card.input_height) == (0.0, 20.0, 64)
    assert (card.name, card.engine) == ("levels", "fake")
    assert card_of(config, "levels", "litert", values()).engine == "litert"


def test_graph_and_labels_alone_take_nothing_from_any_section(config: Path) -> None:
    given = values(
        graph=str(config.parent / "model.pb"),
        labels=str(config.parent / "labels.txt"),
        output_layer="final_result",
        input_std=1.0,
    )
    card = card_of(None, None, None, given)
    assert (card.kind, card.output_layer) == (CLASSIFICATION, "final_result")
    assert (card.input_mean, card.input_std, card.resize) == (None, 1.0, "bilinear")
    # a section that is named is read
    assert card_of(config, None, None, given).input_mean == 10.0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "absent.png"], "absent.png: No such file"),
        (["--image", "{config}"], "m.config: expected a JPEG, PNG"),
        (["--image", "{photo}", "--usedconfig", "other"], "expected one of the sections"),
        (["--image", "{photo}", "--engine", "turbo"], "option --engine: expected one of auto"),
        (["--image", "{photo}", "--input_std", "0"], "expected a number other than 0"),
        (["--image", "{photo}", "--graph", "absent.pb"], "option --graph: expected a file"),
    ],
)
def test_wrong_input_is_one_sentence(words, sentence, config: Path, photo: Path) -> None:
    found = run(*(word.format(config=config, photo=photo) for word in words), "--config", config)
    assert found.exit_code == 2
    assert sentence in found.output and found.output.count("\n") == 1


def test_without_a_section_the_flags_are_checked_too(config: Path, photo: Path) -> None:
    labels, graph = config.parent / "labels.txt", config.parent / "model.pb"
    found = run("--image", photo, "--graph", "absent.pb", "--labels", labels)
    assert (found.exit_code, found.output) == (
        2,
        "Error: option --graph: expected a file, got 'absent.pb'.\n",
    )
    found = run("--image", photo, "--graph", graph, "--labels", labels, "--input_std", 0)
    assert found.exit_code == 2 and "--input_std" in found.output


def test_the_bundled_digits_answer_by_default(photo: Path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    found = run("--image", photo)
    assert found.exit_code == 0 and len(found.output.splitlines()) == 5


@pytest.mark.slow
def test_a_bare_frozen_graph_names_a_cat(shared: Path) -> None:
    models = shared / "models"
    found = run(
        "--image",
        shared / "photos" / "cat_720p.jpg",
        *("--graph", models / "mobilenet_v1_0.25_224_frozen.pb"),
        *("--labels", models / "mobilenet_v1_labels.txt"),
        *("--input_layer", "input", "--output_layer", "MobilenetV1/Predictions/Reshape_1"),
        *("--input_mean", 127.5, "--input_std", 127.5),
    )
    assert found.exit_code == 0, found.output
    assert "cat" in found.output.splitlines()[0]
