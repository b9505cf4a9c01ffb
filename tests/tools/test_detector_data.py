"""What `scai train-detector` learns from: splits, sentences for bad input, views of pictures."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from support.detector_data import (
    SIDE,
    annotate,
    as_coco,
    labelled_in,
    names,
    parts,
    run_command,
    shapes,
    voc_object,
)
from support.helpers import picture

from tools.datasets import labelled_boxes
from tools.datasets.files import open_files
from tools.train_detector import augmentation, scene_cache
from tools.train_detector import targets as detector_targets


def test_voc_and_coco_a_folder_and_a_zip_are_read_the_same(tmp_path: Path) -> None:
    root = shapes(tmp_path / "voc", 6)
    coco = as_coco(root, tmp_path / "coco.json")
    with zipfile.ZipFile(tmp_path / "voc.zip", "w") as archive:
        for file in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(tmp_path))
    seen = []
    for path, images in ((root, None), (tmp_path / "voc.zip", None), (coco, root / "JPEGImages")):
        with open_files(path, images) as files:
            found = labelled_boxes.find(files, path, 0)
            cached = scene_cache.fill(found.splits["train"], SIDE)
        seen.append((found.classes, [cached.scene(i) for i in range(len(cached))]))
    assert seen[0][0] == ("disc", "square")
    for classes, scenes in seen[1:]:
        assert classes == seen[0][0]
        for one, other in zip(scenes, seen[0][1], strict=True):
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_parts_that_the_data_names_are_the_splits(tmp_path: Path) -> None:
    root = parts(shapes(tmp_path, 6), train="00 01 02", val="03", test="04 05", disc_train="00")
    found = labelled_in(root)
    assert [names(found, s) for s in labelled_boxes.SPLITS] == [
        {"00", "01", "02"},
        {"03"},
        {"04", "05"},
    ]
    assert found.evaluation_split == "test" and found.named["validation"] == "val"
    assert names(labelled_in(root, learn_from_validation=True), "train") == {"00", "01", "02", "03"}


def test_of_trainval_the_validation_pictures_are_not_learned_from(tmp_path: Path) -> None:
    found = labelled_in(parts(shapes(tmp_path, 5), trainval="00 01 02 03", val="03"))
    assert names(found, "train") == {"00", "01", "02"} and names(found, "validation") == {"03"}


def test_folders_named_train_and_test_are_the_splits(tmp_path: Path) -> None:
    shapes(tmp_path / "train", 4)
    shapes(tmp_path / "test", 2)
    counts = labelled_in(tmp_path, 0).counts()
    assert counts == {"train": 4, "validation": 0, "test": 2}


def test_a_picture_without_a_named_part_stays_in_its_split(tmp_path: Path) -> None:
    few, many = (labelled_in(shapes(tmp_path / str(n), n)) for n in (12, 24))
    assert 0 < len(names(few, "validation")) < 8
    assert names(few, "validation") <= names(many, "validation")


def unnamed(root: Path) -> None:
    annotate(root, "00", voc_object("", (1, 1, 30, 30)))


def outside(root: Path) -> None:
    for file in (root / "Annotations").iterdir():
        annotate(root, file.stem, voc_object("disc", (900, 900, 950, 950)))


def empty_boxes(root: Path) -> None:
    for file in (root / "Annotations").iterdir():
        annotate(root, file.stem, voc_object("disc", (20, 20, 20, 20)))


def no_boxes(root: Path) -> None:
    for file in (root / "Annotations").iterdir():
        annotate(root, file.stem)


def broken_pictures(root: Path) -> None:
    for file in (root / "JPEGImages").iterdir():
        file.write_bytes(b"\x89PNG\r\n\x1a\n nothing")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda p: shutil.rmtree(p), "no such file or folder"),
        (lambda p: shutil.rmtree(p / "Annotations"), "expected Pascal VOC"),
        (lambda p: (p / "JPEGImages/01.png").unlink(), "01: expected picture and .xml"),
        (lambda p: (p / "Annotations/01.xml").write_text("<annot"), "01.xml: expected an annot"),
        (unnamed, "00.xml: object 1 has no name"),
        (no_boxes, "no boxes, and so no classes"),
        (lambda p: parts(p, train="00 01 77"), "77: expected picture and .xml, got no annotation"),
        (lambda p: parts(p, test="00 01 02 03"), "no training pictures"),
        (outside, "(disc) lies outside the picture of 96x128 pixels"),
        (empty_boxes, "box 1 (disc) is empty"),
        (broken_pictures, "none of 4 pictures can be read"),
    ],
)
def test_bad_data_gives_one_sentence_and_leaves_nothing(
    tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    root = shapes(tmp_path / "data", 4)
    spoil(root)
    with pytest.raises(click.ClickException) as error, open_files(root) as files:
        found = labelled_boxes.find(files, root, 0)
        scene_cache.fill(found.splits["train"], SIDE)
    assert sentence in error.value.message and "\n" not in error.value.message
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--image_size", 100], "--image_size 100: expected"),
        (["--epochs", 1, "--minutes", 1], "expected one of --epochs"),
        (["--install", "no/name"], "expected letters, digits"),
        (["--out", "IS"], "is there already; --force"),
        (["--label_map", "MAP"], "the class 'square'"),
        (["--images", "IS"], "--images goes with a COCO .json"),
    ],
)
def test_bad_options_give_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[object], sentence: str
) -> None:
    root = shapes(tmp_path / "data", 3)
    (tmp_path / "map.txt").write_text("disc\n")
    places = {"IS": tmp_path, "MAP": tmp_path / "map.txt"}
    out = [] if "--out" in arguments else ["--out", tmp_path / "out"]
    code, text = run_command("--data", root, *out, *[places.get(str(a), a) for a in arguments])
    assert code == 2 and sentence in text and not (tmp_path / "out").exists()
    assert len([line for line in text.splitlines() if line.startswith("Error")]) <= 1


def test_an_annotation_of_an_unknown_category_is_named(tmp_path: Path) -> None:
    notes = as_coco(shapes(tmp_path / "voc", 2), tmp_path / "voc" / "coco.json")
    content = json.loads(notes.read_text())
    content["annotations"][1] |= {"category_id": 99, "id": 5}
    notes.write_text(json.dumps(content))
    code, text = run_command(
        "--data", notes, "--images", tmp_path / "voc", "--out", tmp_path / "out"
    )
    assert code == 2 and "annotation 5 has category_id 99, which is not among categories" in text


def test_boxes_are_clipped_left_out_or_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "a.png").write_bytes(picture((100, 80)))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    hard = voc_object("owl", (5, 5, 30, 30)).replace("</name>", "</name><difficult>1</difficult>")
    boxes = [(81, 41, 104, 60), (90, 41, 190, 60), (7, 7, 7, 8), (1, 1, 100, 80)]
    annotate(tmp_path, "a", *[voc_object("owl", box) for box in boxes], hard)
    annotate(tmp_path, "b", voc_object("owl", (1, 1, 9, 9)))
    found = labelled_in(tmp_path, 0)
    cached = scene_cache.fill(found.splits["train"], SIDE)
    _, kept, classes = cached.scene(0)
    np.testing.assert_array_equal(kept, [[80, 40, 100, 60], [0, 0, 100, 80], [4, 4, 30, 30]])
    np.testing.assert_array_equal(classes, [0, 0, detector_targets.UNSURE])
    assert [text.split(":")[0] for text in cached.left_out] == ["a.png", "a.png", "b.png"]


def test_pictures_that_memory_has_no_room_for_are_read_again(tmp_path: Path) -> None:
    root = shapes(tmp_path, 4)
    with open_files(root) as files:
        split = labelled_boxes.find(files, root, 0).splits["train"]
        roomy, tight = (scene_cache.fill(split, SIDE, budget) for budget in (1 << 30, 50_000))
        for i in range(4):
            for a, b in zip(roomy.scene(i), tight.scene(i), strict=True):
                np.testing.assert_array_equal(a, b)
        # One that is in memory is the same array each time.
        in_memory = [tight.scene(i)[0] is tight.scene(i)[0] for i in range(4)]
    assert sum(in_memory) == 1


@pytest.mark.parametrize("turns", [False, True])
def test_boxes_go_with_what_they_surround(tmp_path: Path, turns: bool) -> None:
    root = shapes(tmp_path, 8)
    with open_files(root) as files:
        cached = scene_cache.fill(labelled_boxes.find(files, root, 0).splits["train"], 128)
    habits = augmentation.Augmentation(turns=turns, colour=0.0, mosaic=0.3)
    counted = 0
    for seed in range(60):
        image, boxes, classes = augmentation.scene(
            cached, seed % 8, np.random.default_rng(seed), habits
        )
        assert image.shape == (128, 128, 3) and image.dtype == np.uint8
        squares = boxes[classes == 1]
        blue = (image[..., 2].astype(int) - image[..., 0] > 120) & (image[..., 2] > 200)
        for x1, y1, x2, y2 in squares:
            inside = blue[round(y1) : round(y2), round(x1) : round(x2)]
            others = np.any((boxes != (x1, y1, x2, y2)).any(1) & overlap(boxes, (x1, y1, x2, y2)))
            if not others:
                assert inside.mean() > 0.8
                counted += 1
        seen = np.zeros_like(blue)
        for x1, y1, x2, y2 in boxes:  # the unsure ones too: nothing blue lies outside of all boxes
            seen[max(0, int(y1) - 1) : int(y2) + 2, max(0, int(x1) - 1) : int(x2) + 2] = True
        assert (blue & ~seen).sum() < 40
    assert counted > 30


def overlap(boxes: np.ndarray, box: tuple[float, ...]) -> np.ndarray:
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    return (high > low).all(1)


def test_the_same_step_always_sees_the_same(tmp_path: Path) -> None:
    root = shapes(tmp_path, 5)
    with open_files(root) as files:
        cached = scene_cache.fill(labelled_boxes.find(files, root, 0).splits["train"], SIDE)
    make = augmentation.batches(cached, 4, augmentation.Augmentation(), seed=3)
    first, again = (make(np.random.default_rng((3, 7)), 7) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first[0].shape == (4, SIDE, SIDE, 3) and first[2].shape == (4, 16, 16, 4)


def test_nothing_is_taught_where_a_box_need_not_be_found() -> None:
    boxes = np.array([[8, 8, 24, 24], [32, 32, 60, 60]], np.float32)
    targets = detector_targets.encode(boxes, np.array([0, detector_targets.UNSURE]), 16, 16)
    assert targets.weight.sum() == pytest.approx(1, abs=1e-4)
    assert 0.9 < targets.peak[8:15, 8:15].min() and targets.peak[8:15, 8:15].max() < 0.999


def test_label_maps_survive_any_name(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from scai.models import labels
    from tools.train_detector import model_files

    (tmp_path / "map.pbtxt").write_text(model_files.label_map(['a "quoted" \\ one', "Katze 貓"]))
    assert labels.read(tmp_path / "map.pbtxt") == {1: 'a "quoted" \\ one', 2: "Katze 貓"}
