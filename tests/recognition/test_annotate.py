"""Drawing: tags inside the picture, one colour a label, and hands off the input."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scai.pictures.pixels import decode
from scai.recognition.annotate import annotate, color, draw, ink_on
from scai.recognition.results import Detections, Drawing

GREY = 90


def plain(height: int = 200, width: int = 300) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def drawing(
    boxes: list[list[float]],
    labels: list[str],
    picture: np.ndarray,
    masks: np.ndarray | None = None,
) -> Drawing:
    n = len(labels)
    height, width = picture.shape[:2]
    scores = np.linspace(0.9, 0.5, n).astype(np.float32)
    result = Detections(np.array(boxes), scores, np.arange(n), tuple(labels), width, height, masks)
    return result.drawing


def test_a_box_is_drawn_on_a_copy_in_the_colour_of_its_label() -> None:
    picture = plain()
    drawn = draw(picture, drawing([[50, 80, 200, 150]], ["cat"], picture), line_thickness=2)
    assert (picture == GREY).all()
    assert drawn.shape == picture.shape
    for x, y in ((125, 80), (125, 150), (50, 130), (200, 130)):
        assert tuple(drawn[y, x]) == color("cat")
    assert (drawn[100:145, 60:190] == GREY).all()  # the inside stays as it was


def test_a_read_only_picture_can_be_drawn_on() -> None:
    picture = plain()
    picture.flags.writeable = False
    assert draw(picture, drawing([[5, 5, 50, 50]], ["cat"], picture)).flags.writeable


def test_line_thickness_is_in_pixels() -> None:
    picture = plain()
    result = drawing([[50, 80, 200, 150]], ["cat"], picture)
    for thickness in (1, 3, 9):
        row = draw(picture, result, thickness)[130, 30:80]
        assert int((row != GREY).any(1).sum()) == thickness


def test_one_label_has_one_colour_in_every_process() -> None:
    code = (
        "from scai.recognition.annotate import color; "
        "print(hash('kite'), color('kite'), color('埃及貓'))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seed, colors = process.split(maxsplit=1)
    assert int(seed) != hash("kite"), "start pytest with another PYTHONHASHSEED"
    assert colors == f"{color('kite')} {color('埃及貓')}\n"


def test_neighbouring_labels_have_different_colours() -> None:
    assert len({color(str(i)) for i in range(10)}) == 10


def luminance(rgb: tuple[int, int, int]) -> float:
    parts = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(rgb) / 255
    ]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def test_the_ink_of_every_label_stands_out_from_its_colour() -> None:
    for label in map(str, range(2000)):
        light, dark = sorted(
            (luminance(color(label)), luminance(ink_on(color(label)))), reverse=True
        )
        assert (light + 0.05) / (dark + 0.05) >= 4.5, label


@pytest.mark.parametrize("size", [(1, 1), (5, 400), (20, 20), (60, 80), (900, 1352), (3000, 4000)])
@pytest.mark.parametrize("label", ["cat", "a very long label that never ends " * 5, "", "\n\t\0x"])
def test_any_label_fits_any_picture(size: tuple[int, int], label: str) -> None:
    picture = plain(*size)
    height, width = size
    edges = [
        [0, 0, width, height],
        [width - 1, 0, width, 1],
        [width * 0.9, height * 0.9, width, height],
    ]
    drawn = draw(picture, drawing(edges, [label] * 3, picture))
    assert drawn.shape == picture.shape


@pytest.mark.parametrize("size", [(60, 80), (200, 300), (1500, 2000)])
def test_a_tag_stays_inside_the_picture(size: tuple[int, int]) -> None:
    """The tag's colour is nowhere cut off: its ground is as large at an edge as in the middle."""
    picture = plain(*size)
    height, width = size
    areas = []
    for x, y in ((width * 0.4, height * 0.6), (width - 2, 0), (0, height - 2), (width - 2, 2)):
        box = [x, y, min(x + 2, width), min(y + 2, height)]
        drawn = draw(picture, drawing([box], ["cat"], picture), line_thickness=1)
        areas.append(int((drawn != GREY).any(2).sum()))
    assert max(areas) - min(areas) < 40


def test_text_grows_with_the_picture() -> None:
    def tag_height(height: int, width: int) -> int:
        picture = plain(height, width)
        box = [width * 0.3, height * 0.5, width * 0.9, height * 0.9]
        drawn = draw(picture, drawing([box], ["cat"], picture), 1)
        return int((drawn[: round(height * 0.5) - 1] != GREY).any((1, 2)).sum())

    small, large = tag_height(300, 400), tag_height(3000, 4000)
    assert 12 <= small <= 30
    assert large > 60


@pytest.mark.parametrize("label", ["埃及貓", "热狗", "ネコ", "고양이", "кот", "γάτα", "Café"])
def test_labels_of_other_scripts_are_written_and_not_question_marks(label: str) -> None:
    picture = plain()
    tag = [0, 100, 200, 190]
    image = draw(picture, drawing([tag], [label], picture))
    marks = draw(picture, drawing([tag], ["?" * len(label)], picture))
    # The ground differs with the label, so the ink is compared: where is it black or white?
    ink = [((p == 0) | (p == 255)).all(2)[:100] for p in (image, marks)]
    assert ink[0].sum() > 20
    assert ink[0].sum() != ink[1].sum()


def test_tags_of_neighbours_do_not_cover_each_other() -> None:
    picture = plain()
    boxes = [[50, 80, 90, 120], [60, 82, 100, 130]]
    drawn = draw(picture, drawing(boxes, ["cat", "dog"], picture), 1)
    areas = [int((drawn == color(label)).all(2).sum()) for label in ("cat", "dog")]
    alone = [
        int((draw(picture, drawing([b], [n], picture), 1) == color(n)).all(2).sum())
        for b, n in zip(boxes, ("cat", "dog"), strict=True)
    ]
    assert all(a > 0.8 * b for a, b in zip(areas, alone, strict=True))


def test_a_mask_tints_its_part_of_the_box() -> None:
    picture = plain()
    mask = np.zeros((1, 10, 10), np.float32)
    mask[:, 5:] = 1
    drawn = draw(picture, drawing([[50, 40, 250, 160]], ["cat"], picture, mask), 2)
    assert (drawn[70:90, 100:200] == GREY).all()
    below = drawn[120:150, 100:200]
    assert (below == below[0, 0]).all() and tuple(below[0, 0]) not in ((GREY,) * 3, color("cat"))


def test_the_png_holds_what_was_drawn() -> None:
    picture = plain()
    result = drawing([[50, 40, 250, 160]], ["cat"], picture)
    png = annotate(picture, result)
    assert png.startswith(b"\x89PNG")
    assert np.array_equal(decode(png), draw(picture, result))


def test_nothing_found_leaves_the_picture_as_it_is() -> None:
    picture = plain()
    assert np.array_equal(draw(picture, Detections.empty(300, 200).drawing), picture)


def test_twenty_boxes_on_a_photo_are_drawn_in_no_time() -> None:
    picture = plain(900, 1352)
    boxes = [[30 * i, 20 * i, 30 * i + 200, 20 * i + 150] for i in range(20)]
    result = drawing(boxes, [f"thing {i}" for i in range(20)], picture)
    draw(picture, result)
    start = time.process_time()
    draw(picture, result)
    assert time.process_time() - start < 0.1
