"""Judging models: the numbers against cases counted by hand, the layouts of data, the command."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.helpers import picture

from scai.models.cards import CLASSIFICATION, DETECTION
from scai.recognition.recognizer import Options
from scai.settings import ROOT
from tools.common import model_choice
from tools.common.errors import UserError
from tools.datasets import data_sets
from tools.datasets.files import Files
from tools.evaluate import command, scores
from tools.evaluate.answers import collect_answers, match_labels
from tools.evaluate.coco import Scene, curve, mean, precision_and_recall

# -- COCO's average precision -----------------------------------------------------------------

TRUE = (0.0, 0.0, 100.0, 100.0)
FAR = (500.0, 500.0, 600.0, 600.0)


def scene(true: list, found: list, **marks: list[bool]) -> Scene:
    """One class; `true`: boxes, `found`: (box, score)."""
    none = [False] * len(true)
    return Scene(
        np.array(true, float).reshape(-1, 4),
        np.zeros(len(true), int),
        np.array([box for box, _ in found], float).reshape(-1, 4),
        np.zeros(len(found), int),
        np.array([score for _, score in found], float),
        np.array(marks.get("ignored", none), bool),
        np.array(marks.get("crowd", none), bool),
    )


def wide(share: float) -> tuple[float, float, float, float]:
    """A box within TRUE that overlaps it by this share."""
    return (0.0, 0.0, 100.0 * share, 100.0)


@pytest.mark.parametrize(
    ("scenes", "all_ten", "at_half"),
    [
        # found exactly
        ([scene([TRUE], [(TRUE, 0.9)])], 1.0, 1.0),
        # overlap 0.82: right for 0.50 to 0.80, seven of ten
        ([scene([TRUE], [(wide(0.82), 0.9)])], 0.7, 1.0),
        # nothing found; found elsewhere
        ([scene([TRUE], [])], 0.0, 0.0),
        ([scene([TRUE], [(FAR, 0.9)])], 0.0, 0.0),
        # one of two: precision 1 at the 51 recalls 0.00 to 0.50, 0 at the other fifty
        ([scene([TRUE, FAR], [(TRUE, 0.9)])], 51 / 101, 51 / 101),
        # right, wrong, right: 51 recalls at 1, fifty at 2/3
        (
            [
                scene([TRUE], [(TRUE, 0.9), (FAR, 0.8)]),
                scene([FAR], [(FAR, 0.7)]),
            ],
            (51 + 50 * 2 / 3) / 101,
            (51 + 50 * 2 / 3) / 101,
        ),
        # wrong, then right: precision 1/2 everywhere
        ([scene([TRUE], [(FAR, 0.9), (TRUE, 0.8)])], 0.5, 0.5),
        # the second box on the same object is wrong, but costs nothing behind the last recall
        ([scene([TRUE], [(TRUE, 0.9), (TRUE, 0.8)])], 1.0, 1.0),
        # ... and costs when it comes before another object's
        (
            [scene([TRUE], [(TRUE, 0.9), (TRUE, 0.8)]), scene([FAR], [(FAR, 0.7)])],
            (51 + 50 * 2 / 3) / 101,
            (51 + 50 * 2 / 3) / 101,
        ),
        # what is ignored is neither right nor wrong
        ([scene([TRUE, FAR], [(FAR, 0.9), (TRUE, 0.8)], ignored=[False, True])], 1.0, 1.0),
        # a crowd takes many, each by its own share in it
        (
            [
                scene(
                    [TRUE, FAR],
                    [((500, 500, 520, 520), 0.9), ((540, 540, 560, 560), 0.9), (TRUE, 0.8)],
                    ignored=[False, True],
                    crowd=[False, True],
                )
            ],
            1.0,
            1.0,
        ),
        # a box takes the object that it overlaps most, not the first
        ([scene([wide(0.6), TRUE], [(TRUE, 0.9), (wide(0.6), 0.8)])], 1.0, 1.0),
        # the 101st box of a picture is not looked at
        ([scene([TRUE], [*([(FAR, 0.9)] * 100), (TRUE, 0.1)])], 0.0, 0.0),
    ],
)
def test_average_precision_is_cocos(scenes: list, all_ten: float, at_half: float) -> None:
    found = curve(scenes, 0)
    assert found is not None
    assert found.average() == pytest.approx(all_ten)
    assert found.average(0.5) == pytest.approx(at_half)


def test_a_box_of_the_wrong_class_finds_nothing() -> None:
    evaluation = replace(scene([TRUE], [(TRUE, 0.9)]), found_classes=np.array([1]))
    found = curve([evaluation], 0)
    assert found is not None and found.average(0.5) == 0.0


def test_precision_and_recall_count_the_boxes_above_a_score() -> None:
    # Given two objects: one found, the other found with a low score, and a box on nothing
    scenes = [scene([TRUE, FAR], [(TRUE, 0.9), (wide(0.3), 0.8), (FAR, 0.2)])]
    assert precision_and_recall(scenes, 0.5) == (0.5, 0.5)
    assert precision_and_recall(scenes, 0.95) == (0.0, 0.0)


def test_a_class_that_no_picture_holds_has_no_average() -> None:
    assert curve([scene([], [(TRUE, 0.9)])], 0) is None
    assert mean([None]) == 0.0


# -- classifiers ------------------------------------------------------------------------------


def test_calibration_error_is_the_distance_of_score_and_truth() -> None:
    # Given two bins: scores 0.9, right in 3 of 4; scores 0.5, right in 1 of 2
    sure = np.array([0.9] * 4 + [0.5] * 2)
    right = np.array([True, True, True, False, True, False])
    error, (confidence, accuracy, pictures) = scores.calibration(sure, right)
    assert error == pytest.approx((4 * 0.15 + 2 * 0.0) / 6)
    assert pictures.sum() == 6 and pictures[13] == 4 and accuracy[13] == 0.75
    assert confidence[13] == pytest.approx(0.9)


def test_labels_match_by_name_however_they_are_written() -> None:
    labels = ["background", "Egyptian cat", "282:tabby, tabby cat", "hot_dog", "n02084071 dog"]
    found = match_labels(labels, ["egyptian-cat", "tabby", "Hot dog", "dog", "cow"])
    assert found == dict(zip(labels[1:], range(4), strict=True))


# -- data -------------------------------------------------------------------------------------


def grey(level: int) -> bytes:
    return picture((32, 32), (level,) * 3, "PNG")


LEVELS = {"dark": 30, "middle": 128, "bright": 220}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes that the fake engine tells apart, two pictures each, in test; one in train."""
    for part, count in (("test", 2), ("train", 1)):
        for name, level in LEVELS.items():
            for number in range(count):
                path = tmp_path / "set" / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(grey(level))
    return tmp_path / "set"


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder.parent))
    return path


def square(path: Path, level: int = 250) -> tuple[int, int, int, int]:
    """A black picture with one even square; its box, x1, y1, x2, y2."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[10:30, 20:60] = level
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return 20, 10, 60, 30


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = tmp_path / "voc"
    for number, part in enumerate(("train", "val", "val")):
        x1, y1, x2, y2 = square(root / "JPEGImages" / f"{number}.png")
        text = (
            f"<annotation><object><name>square</name><difficult>0</difficult><bndbox>"
            f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
            f"</bndbox></object></annotation>"
        )
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{number}.xml").write_text(text)
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        with (root / "ImageSets" / "Main" / f"{part}.txt").open("a") as lines:
            lines.write(f"{number}\n")
    return root


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = tmp_path / "coco"
    x1, y1, x2, y2 = square(root / "val2017" / "1.png")
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val2017.json").write_text(
        json.dumps(
            {
                "images": [{"id": 7, "file_name": "1.png"}],
                "annotations": [
                    {"image_id": 7, "category_id": 3, "bbox": [x1, y1, x2 - x1, y2 - y1]}
                ],
                "categories": [{"id": 3, "name": "square"}, {"id": 9, "name": "disc"}],
            }
        )
    )
    return root


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A classifier of three levels, one that lacks a level, and a detector; none has a model."""
    (tmp_path / "labels.txt").write_text("dark\nmiddle\nbright\n")
    (tmp_path / "two.txt").write_text("dark\nbright\n")
    (tmp_path / "shapes.txt").write_text("disc\nsquare\n")
    path = tmp_path / "m.config"
    path.write_text(
        "[levels]\nENGINE = fake\nLABELS = labels.txt\n"
        "[two]\nENGINE = fake\nLABELS = two.txt\n"
        "[shapes]\nENGINE = fake\nPATH_TO_LABELS = shapes.txt\n"
    )
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(command.main, [str(word) for word in words])


@pytest.mark.parametrize("as_zip", [False, True])
def test_class_folders_are_read_with_the_part_that_models_have_not_seen(folder, as_zip) -> None:
    with Files(zipped(folder) if as_zip else folder) as files:
        data = data_sets.load(files)
        assert (data.kind, data.part, len(data)) == (CLASSIFICATION, "test", 6)
        assert data.classes == ("bright", "dark", "middle")
        assert len(data_sets.load(files, part="train")) == 3
        assert len(data_sets.load(files, part="all")) == 9
        assert len(data.limited(4)) == 4
        with pytest.raises(UserError, match="expected a part called val, got test, train"):
            data_sets.load(files, part="val")


def test_voc_is_read_in_pixels_from_zero(voc: Path) -> None:
    with Files(zipped(voc)) as files:
        data = data_sets.load(files)
        assert (data.kind, data.part, len(data), data.classes) == (DETECTION, "val", 2, ("square",))
        assert data.samples[0].truth.boxes.tolist() == [[20, 10, 60, 30]]


def test_coco_is_read_with_its_pictures_wherever_they_are(coco: Path) -> None:
    for path in (coco, coco / "annotations" / "instances_val2017.json"):
        with Files(coco) as files:
            data = command.load_data(files, path, "", "")
            assert data.samples[0].name == "val2017/1.png"
            assert data.samples[0].truth.boxes.tolist() == [[20, 10, 60, 30]]
            assert data.classes == ("square", "disc")


# -- the command ------------------------------------------------------------------------------


def test_models_stand_side_by_side(folder: Path, config: Path, tmp_path: Path) -> None:
    # Given a picture that is none
    (folder / "test" / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    # When two models are judged
    found = run(
        f"{config}:levels", f"{config}:levels@fake", folder, "--json", tmp_path / "all.json"
    )
    # Then both are right, and the broken picture is told
    assert found.exit_code == 0, found.output
    table = [line for line in found.output.splitlines() if "fake" in line and "1.0000" in line]
    assert len(table) == 2
    assert "unreadable: 1 picture\n" in found.output and "broken.png" in found.output
    document = json.loads((tmp_path / "all.json").read_text())
    model = document["models"][0]
    assert (model["top1"], model["pictures"], list(model["unreadable"])) == (
        1.0,
        6,
        ["test/dark/broken.png"],
    )
    # the fake is 0.9 sure and always right
    assert model["expected_calibration_error"] == pytest.approx(0.1, abs=1e-6)
    assert np.array(model["confusion"]["counts"])[:, :3].tolist() == (2 * np.eye(3)).tolist()


@pytest.mark.parametrize("name", ["voc", "coco"])
def test_detectors_are_judged_by_cocos_measure(name: str, config: Path, request) -> None:
    found = run(f"{config}:shapes", request.getfixturevalue(name))
    assert found.exit_code == 0, found.output
    assert found.output.count("1.0000") >= 4  # three means and the class


def test_a_class_that_the_model_lacks_is_said_or_left_out(folder: Path, config: Path) -> None:
    found = run(f"{config}:two", folder)
    assert found.exit_code == 2
    assert "1 of the data's 3 classes are not in" in found.output and "middle" in found.output
    found = run(f"{config}:two", folder, "--ignore-missing")
    assert found.exit_code == 0 and "4 pictures, 2 classes" in found.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing", "{folder}"], "nothing: no such section in"),
        (["{config}:nothing", "{folder}"], "expected one of the sections"),
        (["{config}:levels@turbo", "{folder}"], "expected one of auto, fake"),
        (["{config}:levels", "{folder}.not"], "no such file or folder"),
        (["{config}:levels", "{config}"], "expected a folder, a .zip"),
        (["{config}:levels", "{folder}", "--kind", "detection"], "expected Pascal VOC"),
        (["{config}:levels", "{folder}", "--images", "x"], "--images goes with a COCO .json"),
        (["no.config:levels", "{folder}"], "no such configuration file"),
    ],
)
def test_wrong_input_is_one_sentence(words, sentence, folder: Path, config: Path) -> None:
    found = run(*(word.format(folder=folder, config=config) for word in words))
    assert found.exit_code == 2
    assert sentence in found.output and "Traceback" not in found.output
    assert found.output.count("\n") == 1


def test_the_first_batch_pays_for_the_warm_up_and_is_not_timed(folder, config) -> None:
    card = model_choice.card(model_choice.parse(f"{config}:levels"), CLASSIFICATION)
    recognizer = model_choice.build(card, 2)
    # A clock on which each batch takes one second.
    ticks = iter(range(100))
    with Files(folder) as files:
        data = data_sets.load(files)
        seen: list[int] = []
        answers = collect_answers(
            recognizer, data, Options(top_k=5), 2, seen.append, lambda: float(next(ticks))
        )
    assert seen == [2, 2, 2] and len(answers.results) == 6
    assert (answers.seconds, answers.timed, answers.milliseconds) == (2.0, 4, 500.0)


@pytest.mark.slow
def test_diagrams_are_drawn(folder: Path, voc: Path, config: Path, tmp_path: Path) -> None:
    for data, section in ((folder, "levels"), (voc, "shapes")):
        found = run(f"{config}:{section}", data, "--plots", tmp_path / "plots")
        assert found.exit_code == 0, found.output
        written = [line.removeprefix("wrote ") for line in found.output.splitlines()[-2:]]
        for path in written:
            with Image.open(path) as image:
                assert min(image.size) > 200
    ends = {path.stem.rpartition("-")[2] for path in (tmp_path / "plots").iterdir()}
    assert ends == {"class", "confusion", "reliability", "recall"}


@pytest.mark.slow
def test_the_digits_are_as_good_as_their_card_says(shared, tmp_path: Path, monkeypatch) -> None:
    """On every tenth test digit: 500 pictures, of which about two are named wrong."""
    monkeypatch.chdir(ROOT)
    found = run(
        "digits",
        "digits@openvino",
        shared / "data" / "mnist.zip",
        "--limit",
        500,
        "--json",
        tmp_path / "out.json",
    )
    assert found.exit_code == 0, found.output
    for model in json.loads((tmp_path / "out.json").read_text())["models"]:
        assert model["top1"] > 0.985 and model["top5"] == 1.0
