"""The view of other results, results in words, and results to keep.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from support.browser.viewing import (
    FOUR,
    HOSTILE,
    IC,
    OD,
    call,
    classification,
    detection,
    prediction,
    rectangle,
    show,
)
from support.helpers import picture_without_its_end
from support.live import digit

from scai.recognition.annotate import color, ink_on

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def bare(open_page: Callable[..., Any], watch: Any) -> Any:
    """A page without scripts of its own: the answer to an address without a photo."""
    watch.allow.append("status of 404")
    return open_page("/photo", viewport={"width": 1280, "height": 900})


def test_a_classification_stands_beside_its_photo_best_first(bare: Any) -> None:
    show(bare, IC.name, classification(("tabby", 0.875), ("tiger cat", 0.1), ("lynx", 0.01)))
    bars = bare.locator(".view-bar")
    expect(bars.locator(".percent")).to_have_text(["87.5%", "10.0%", "1.0%"])
    photo, best = rectangle(bare.locator(".view-photo")), rectangle(bars.first)
    assert photo[2] <= best[0]
    widths = [rectangle(fill) for fill in bare.locator(".view-fill").all()]
    track = rectangle(bare.locator(".view-track").first)
    assert abs((widths[0][2] - widths[0][0]) / (track[2] - track[0]) - 0.875) < 0.01
    expect(bare.locator(".view-note")).to_have_count(0)
    bare.set_viewport_size({"width": 360, "height": 740})
    photo, best = rectangle(bare.locator(".view-photo")), rectangle(bars.first)
    assert photo[3] <= best[1]


def test_an_unsure_model_is_called_unsure(bare: Any) -> None:
    show(bare, IC.name, classification(("daisy", 0.172), ("hay", 0.1)))
    expect(bare.locator(".view-note")).to_contain_text("17.2%")


def test_many_classes_are_shown_in_two_steps(bare: Any, accessible: Callable[[Any], None]) -> None:
    show(bare, IC.name, classification(*[(f"class {i}", 1 / (i + 2)) for i in range(30)]))
    expect(bare.locator(".view-bar:visible")).to_have_count(10)
    accessible(bare)
    bare.get_by_role("button", name="Show 20 more").click()
    expect(bare.locator(".view-bar:visible")).to_have_count(30)


def test_older_answers_are_shown_from_what_they_have(bare: Any) -> None:
    old = {"state": "complete", "result": json.dumps({"daisy": "97.3%", "roses": "1.2%"})}
    show(bare, IC.name, old)
    expect(bare.locator(".view-bar .percent")).to_have_text(["97.3%", "1.2%"])
    assert call(bare, "summaryOf", old) == "daisy, 97.3%"
    for broken in ("", "no JSON", None):
        show(bare, IC.name, {"state": "complete", "result": broken})
        expect(bare.get_by_role("heading", name="Nothing found")).to_be_visible()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("bad_image", "could not be read"),
        ("worker_died", "The model could not process this photo"),
        ("not_found", "no longer has"),
        ("internal", "Something went wrong"),
    ],
)
def test_a_failure_says_why_and_what_to_do(
    bare: Any, accessible: Callable[[Any], None], code: str, words: str
) -> None:
    answer = {"state": "failure", "code": code, "error": f"the reason {HOSTILE}"}
    show(bare, OD.name, answer)
    problem = bare.locator(".problem")
    expect(problem).to_contain_text(words)
    expect(problem).to_contain_text(f"the reason {HOSTILE}")
    expect(problem.locator("p")).to_have_count(3)
    expect(bare.get_by_role("button", name="Table, CSV")).to_have_count(0)
    assert call(bare, "summaryOf", answer) == "Failed"
    accessible(bare)


def test_summaries_are_one_line(bare: Any) -> None:
    def words(*labels: str) -> Any:
        rows = [prediction(label, 0.9, 0, 0, 9, 9) for label in labels]
        return call(bare, "summaryOf", detection(*rows))

    assert words("7", "3", "7") == "3 objects: 7 ×2, 3"
    assert words("7") == "1 object: 7"
    assert words() == "Nothing found"
    assert words(*"abcde") == "5 objects: a, b, c, …"
    assert words(HOSTILE, "{next}") == f"2 objects: {HOSTILE}, {{next}}"
    assert call(bare, "summaryOf", {"state": "processing"}) == "Not finished yet"
    unlisted = {"state": "complete", "result_image": "output.png"}
    assert call(bare, "summaryOf", unlisted) == "See the annotated picture"


def test_a_result_is_shown_by_what_it_holds_and_not_by_its_kind(bare: Any) -> None:
    show(bare, OD.name, classification(("tabby", 0.9)))
    expect(bare.locator(".view-bar")).to_have_count(1)
    show(bare, IC.name, detection(*FOUR))
    expect(bare.locator(".view-row")).to_have_count(4)


def test_labels_are_counted(bare: Any) -> None:
    assert call(bare, "labelsOf", detection(*FOUR)) == [
        {"label": "cat", "score": 0.9, "count": 2},
        {"label": "dog", "score": 0.8, "count": 1},
        {"label": "bird", "score": 0.45, "count": 1},
    ]
    assert call(bare, "labelsOf", {"state": "failure"}) == []


def test_tables_are_read_by_programs_and_run_by_none(bare: Any) -> None:
    labels = [
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\ta",
        "\ra",
        "＝1",
        'a "b", c',
        "line\nline",
        "plain",
        "'q",
    ]
    rows = [prediction(label, 0.5, -3.5, 0, 10, 20) for label in labels]
    values = {"answer": detection(*rows), "name": "=cmd.png"}
    text = call(bare, "csvOf", call(bare, "csvRows", values))
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["label"] for row in table] == [
        *("'" + label for label in labels[:7]),
        *labels[7:],
    ]
    assert {row["file"] for row in table} == {"'=cmd.png"}
    # Numbers are numbers, below zero too.
    assert table[0]["x_min"] == "-3.5"
    assert [table[0][side] for side in ("score", "y_min", "x_max", "y_max")] == [
        "0.5",
        "0",
        "10",
        "20",
    ]
    named = call(bare, "csvRows", {"answer": classification(("a", 0.25)), "name": "b"})
    assert call(bare, "csvOf", named) == (
        "file,label,score,x_min,y_min,x_max,y_max\r\nb,a,0.25,,,,\r\n"
    )


def test_colours_are_those_of_the_annotated_picture(bare: Any) -> None:
    labels = ["", "7", "person", "貓", "🐱", HOSTILE, *(f"label {i}" for i in range(200))]
    colours = [call(bare, "colorOf", label) for label in labels]
    inks = {(0, 0, 0): "#000", (255, 255, 255): "#fff"}
    assert colours == [
        {"ground": f"rgb{color(label)}", "ink": inks[ink_on(color(label))]} for label in labels
    ]


@pytest.fixture
def detected(live: Any) -> dict[str, Any]:
    """A real detection: what resultView is given."""
    sent = live.post(OD.upload, digit("3", 320), "three.png")
    answer = live.result(OD.result, sent, wait=60)
    assert answer["state"] == "complete" and answer["predictions"]
    task = {"task": sent["sessname"], "key": sent["sesskey"]}
    return {
        "kind": OD.name,
        "answer": answer,
        "picture": f"{OD.input}?{urlencode(task)}",
        "name": "three.png",
        **task,
    }


def test_a_real_detection_is_switched_and_kept(bare: Any, detected: dict[str, Any]) -> None:
    answer = detected["answer"]
    show(bare, **detected)
    expect(bare.locator(".view-box:visible")).to_have_count(len(answer["predictions"]))
    bare.get_by_role("button", name="Annotated", exact=True).click()
    drawn = bare.locator(".view-drawn")
    expect(drawn).to_be_visible()
    expect(drawn).to_have_js_property("naturalWidth", 320)
    expect(bare.locator(".view-box:visible")).to_have_count(0)
    expect(bare.get_by_role("button", name="Labels", exact=True)).to_be_disabled()
    # A hand on the legend wants to see what it does.
    bare.locator(".view-chip").first.click()
    expect(drawn).to_be_hidden()
    bare.get_by_role("button", name="Boxes", exact=True).click()

    files = {}
    for button in bare.locator(".view-saves .button").all():
        with bare.expect_download() as download:
            button.click()
        files[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    assert set(files) == {"three-boxes.png", "three.json", "three.csv", "three.png"}
    assert json.loads(files["three.json"]) == answer
    assert files["three.png"] == digit("3", 320)
    table = list(csv.DictReader(io.StringIO(files["three.csv"].decode("utf-8-sig"))))
    assert [row["label"] for row in table] == [row["label"] for row in answer["predictions"]]

    best = answer["predictions"][0]
    with Image.open(io.BytesIO(files["three-boxes.png"])) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    row = round((best["box"]["y_min"] + best["box"]["y_max"]) / 2)
    column = min(319, round(best["box"]["x_min"]))
    assert tuple(int(value) for value in pixels[row, column]) == color(best["label"])


def test_the_page_of_a_photo_has_the_view(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], detected: dict[str, Any]
) -> None:
    query = urlencode({"task": detected["task"], "key": detected["key"]})
    page = open_page(f"/photo?{query}", viewport={"width": 1280, "height": 900})
    count = len(detected["answer"]["predictions"])
    expect(page.locator(".view-box:visible")).to_have_count(count)
    expect(page.locator(".view-photo")).to_have_js_property("naturalWidth", 320)
    accessible(page)
    page.reload()
    expect(page.locator(".view-box:visible")).to_have_count(count)


def address(sent: dict[str, Any]) -> str:
    return "/photo?" + urlencode({"task": sent["sessname"], "key": sent["sesskey"]})


def test_the_page_of_a_waiting_photo_turns_into_the_view(
    open_page: Callable[..., Any], live: Any
) -> None:
    live.wait_idle()
    pids = live.pids("workers.image_classification")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        page = open_page(address(live.post(IC.upload, digit("3"))))
        for _ in range(2):
            expect(page.locator("#state-title")).to_have_text("Waiting in the queue")
            expect(page.get_by_text("This photo is next.")).to_be_visible()
            page.reload()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    expect(page.locator(".view-bar").first).to_be_visible(timeout=60_000)
    best = page.locator(".view-bar .label").first.inner_text()
    expect(page.locator("[role=status]")).to_contain_text(best)


def test_the_page_of_a_failed_photo_says_what_to_do(
    open_page: Callable[..., Any], live: Any
) -> None:
    page = open_page(address(live.post(OD.upload, picture_without_its_end())))
    expect(page.locator(".view-problem")).to_contain_text("could not be read", timeout=60_000)
    expect(page.get_by_role("button", name="Data, JSON")).to_be_visible()
