"""A kind of recognition is described by a file, and a wrong file by one sentence."""

import json
import re
from pathlib import Path

import pytest
from support.inprocess import Site

from scai import kinds
from scai.errors import ConfigError
from scai.jobs import inputs
from scai.settings import Settings
from scai.worker import decoding

SMALL = 'title = "Toy"\nshape = "labels"\n'


def describe(folder: Path, text: str, name: str = "toy") -> Path:
    (folder / f"{name}.py").write_text("")
    file = folder / f"{name}.toml"
    file.write_text(text)
    return file


def test_the_kinds_of_the_project_keep_their_addresses() -> None:
    classify, detect = kinds.load().values()
    assert (classify.name, classify.upload, classify.result, classify.input, classify.output) == (
        "image_classification",
        "/imageclassification",
        "/imageclassification/imgclassres",
        "/imageclassification/imgclassres/iciptimg",
        None,
    )
    assert (detect.name, detect.upload, detect.result, detect.input, detect.output) == (
        "object_detection",
        "/objectdetection",
        "/objectdetection/odres",
        "/objectdetection/odres/odiptimg",
        "/objectdetection/odres/odresimg",
    )


def test_two_lines_describe_a_kind(tmp_path: Path) -> None:
    kind = kinds.read(describe(tmp_path, SMALL, "toy_kind"))
    assert (kind.name, kind.title, kind.noun, kind.slug) == ("toy_kind", "Toy", "toy", "toykind")
    assert (kind.upload, kind.result, kind.input, kind.output) == (
        "/toykind",
        "/toykind/result",
        "/toykind/result/input",
        None,
    )
    assert not kind.draws and kind.words.question == "Toy" and kind.settings.pool == ""


def test_a_kind_of_boxes_draws_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = SMALL.replace("labels", "boxes")
    assert kinds.read(describe(tmp_path, text)).output == "/toy/result/output"
    quiet = kinds.read(describe(tmp_path, text + "draws = false\n"))
    assert not quiet.draws and quiet.output is None


WRONG = [
    ("", "title: expected a text, got ''"),
    ('title = "Toy"\n', "shape: expected labels or boxes, got ''"),
    ('title = "Toy"\nshape = "sounds"\n', "shape: expected labels or boxes, got 'sounds'"),
    (SMALL + "draws = 1\n", "draws: expected true or false, got 1"),
    (SMALL + 'input_type = "sound"\n', "input_type: expected picture, got 'sound'"),
    (SMALL + 'colour = "red"\n', "unknown: colour"),
    (SMALL + '[addresses]\nupload = "toy"\n', r"\[addresses\] upload: expected a path"),
    (SMALL + '[addresses]\noutput = "/toy/o"\n', r"\[addresses\] output: expected upload or"),
    (SMALL + '[words]\nquestoin = "?"\n', r"\[words\] questoin: expected one of question, "),
    (SMALL + "[api]\npost = 1\n", r"\[api\] post: expected a text, got 1"),
    (SMALL + '[[samples]]\nname = "x"\n', "samples: expected name and model and title, got "),
    ("title =", "cannot be read"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_wrong_file_is_one_sentence_that_names_it(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        kinds.read(describe(tmp_path, text))
    assert caught.value.message.startswith(f"{tmp_path / 'toy.toml'}: ")
    assert "\n" not in caught.value.message


def test_a_description_without_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(SMALL)
    with pytest.raises(ConfigError, match="expected its worker program toy.py beside it"):
        kinds.read(tmp_path / "toy.toml")


def test_a_further_folder_adds_kinds_and_takes_no_name_or_address(tmp_path: Path) -> None:
    describe(tmp_path, SMALL)
    assert list(kinds.load(tmp_path)) == ["image_classification", "object_detection", "toy"]
    assert list(kinds.load()) == ["image_classification", "object_detection"]
    taken = tmp_path / "taken"
    taken.mkdir()
    describe(taken, SMALL, "imageclassification")
    with pytest.raises(ConfigError, match="'imageclassification' belongs to the kind of"):
        kinds.load(taken)
    with pytest.raises(ConfigError, match="workerspath: expected a folder of kinds, got"):
        kinds.load(tmp_path / "none")


def test_each_type_of_input_can_be_judged_and_decoded() -> None:
    assert set(kinds.INPUT_TYPES) == set(inputs.INPUT_TYPES) == set(decoding.DECODERS)


def test_pages_are_given_the_kinds_in_the_language_of_their_reader(site: Site) -> None:
    told = {}
    for tag in ("en", "zh-Hant"):
        html = site.http.get("/", query_string={"lang": tag}).text
        told[tag] = json.loads(re.search(r"data-kinds='([^']*)'", html)[1])  # type: ignore[index]
    classify, detect = told["en"].values()
    accept = "image/jpeg,image/png,image/webp,image/bmp,image/gif"
    assert classify == {**kinds.load()["image_classification"].to_dict(), "accept": accept}
    assert (detect["one"], detect["many"]) == ("{n} object", "{n} objects")
    chinese = told["zh-Hant"]["object_detection"]
    assert (chinese["one"], chinese["many"]) == ("{n} 個物件", "{n} 個物件")
    assert chinese["upload"] == detect["upload"] and chinese["title"] != detect["title"]


OWN = [
    ('pool = "ic_workers"', "expected a setting that is a path, got 'ic_workers'"),
    ('models = "nothing"', "expected a setting that is a path, got 'nothing'"),
    ('workers = "icconfig"', "expected a setting that is a whole number, got 'icconfig'"),
    ('pool = "icpoolpath"', "image_classification and toy: expected two queue folders, got one"),
]


@pytest.mark.parametrize(("line", "sentence"), OWN)
def test_a_kind_names_settings_that_fit_and_shares_no_queue(
    tmp_path: Path, line: str, sentence: str
) -> None:
    describe(tmp_path, f"{SMALL}[settings]\n{line}\n")
    with pytest.raises(ConfigError, match=sentence):
        Settings(workerspath=str(tmp_path))


def test_a_kind_may_take_its_values_from_settings(tmp_path: Path) -> None:
    describe(tmp_path, f'{SMALL}[settings]\nmodels = "icconfig"\nworkers = "od_workers"\n')
    settings = Settings(workerspath=str(tmp_path), od_workers=3)
    assert settings.models_file("toy") == settings.icconfig
    assert settings.worker_count("toy") == 3
    assert settings.pool("toy") == settings.icpoolpath.parent / "toy"
