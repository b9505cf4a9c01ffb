"""The home page, in a browser, over a real server with its workers.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CLASSIFY = "#imageclassification"
DETECT = "#objectdetection"
VERDICT_MS = 60_000  # a worker may still be loading its model
PERCENT = re.compile(r"^\d{1,3}\.\d%$")


def png(*digits: tuple[str, int, int], size: tuple[int, int] = (320, 320)) -> bytes:
    """A PNG with dark digits, each with its left and top in pixels, on white."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(220)
    for digit, left, top in digits:
        draw.text((left, top), digit, "black", font, stroke_width=5, stroke_fill="black")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


THREE = png(("3", 90, 20))
TWO_DIGITS = png(("3", 60, 120), ("7", 360, 90), size=(640, 480))


def upload(name: str, data: bytes, mime: str = "image/png") -> dict[str, Any]:
    """A file as Playwright's set_input_files takes it."""
    return {"name": name, "mimeType": mime, "buffer": data}


def choose(page: Any, form: str, file: Any) -> None:
    page.locator(f"{form} input[name=photo]").set_input_files(file)


def submit(page: Any, form: str) -> None:
    page.locator(f"{form} button[type=submit]").click()


def card(page: Any, form: str) -> Any:
    return page.locator(".card", has=page.locator(form))


def expect_state(page: Any, form: str, state: str) -> None:
    expect(card(page, form)).to_have_attribute("data-state", state, timeout=VERDICT_MS)


def shown_width(page: Any, form: str, shows: str) -> int:
    """naturalWidth of the picture on the stage once it is loaded: 0 for a broken one."""
    image = page.locator(f"{form} img[data-shows={shows}]")
    expect(image).to_have_js_property("complete", True)
    return int(image.evaluate("image => image.naturalWidth"))


def answer_with(page: Any, form: str, answer: dict[str, Any]) -> None:
    """Let the server's next results of `form` be `answer`."""
    url = page.locator(form).get_attribute("data-result")
    page.route(f"**{url}?*", lambda route: route.fulfill(json=answer))


def test_the_page_keeps_the_names_that_clients_know(page: Any) -> None:
    for form, action, button in (
        (CLASSIFY, "/imageclassification", "#icupload"),
        (DETECT, "/objectdetection", "#odupload"),
    ):
        expect(page.locator(form)).to_have_attribute("action", action)
        expect(page.locator(form)).to_have_attribute("method", "post")
        expect(page.locator(form)).to_have_attribute("enctype", "multipart/form-data")
        expect(page.locator(f"{form} input[type=file][name=photo]")).to_have_count(1)
        expect(page.locator(f"{form} {button}")).to_be_visible()


def test_the_first_view_is_small(chromium: Any, live: Any) -> None:
    page = chromium.new_page()
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(live.url, wait_until="networkidle")
    assert sum(len(answer.body()) for answer in answers) < 100_000
    page.close()


def test_the_examples_name_the_true_address(page: Any, live: Any) -> None:
    examples = page.locator("pre code")
    expect(examples).to_have_count(2)
    for example in examples.all_text_contents():
        assert f" {live.url.rstrip('/')}/" in example


def test_a_photo_is_seen_before_it_is_sent(page: Any) -> None:
    choose(page, CLASSIFY, upload("three.png", THREE))
    assert shown_width(page, CLASSIFY, "preview") == 320
    expect(page.locator(f"{CLASSIFY} .file-name")).to_contain_text("three.png")


def test_classification_shows_five_bars_with_percents(page: Any) -> None:
    choose(page, CLASSIFY, upload("three.png", THREE))
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "done")
    percents = page.locator(f"{CLASSIFY} .bar .percent").all_text_contents()
    assert len(percents) == 5
    assert all(PERCENT.match(percent) for percent in percents)
    scores = [float(percent.rstrip("%")) for percent in percents]
    assert scores == sorted(scores, reverse=True)
    expect(page.locator(f"{CLASSIFY} [role=status]")).to_contain_text("Done")


def test_detection_shows_the_annotated_picture_and_its_boxes(page: Any) -> None:
    choose(page, DETECT, upload("digits.png", TWO_DIGITS))
    submit(page, DETECT)
    expect_state(page, DETECT, "done")
    assert shown_width(page, DETECT, "result") == 640
    boxes = page.locator(f"{DETECT} .box")
    assert boxes.count() >= 1
    assert PERCENT.match(boxes.first.locator(".percent").inner_text())
    expect(boxes.first.locator(".position")).to_contain_text("px")
    expect(page.locator(f"{DETECT} .chips li").first).to_contain_text("×")
    boxes.first.hover()
    expect(page.locator(f"{DETECT} .mark")).to_be_visible()


def test_the_answer_can_be_saved(page: Any) -> None:
    choose(page, DETECT, upload("digits.png", TWO_DIGITS))
    submit(page, DETECT)
    expect_state(page, DETECT, "done")
    saved = {}
    for link in page.locator(f"{DETECT} .saves a").all():
        with page.expect_download() as download:
            link.click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    assert saved["output.png"].startswith(b"\x89PNG")
    assert json.loads(saved["result.json"])["state"] == "complete"


def test_a_dropped_photo_is_taken(page: Any) -> None:
    transfer = page.evaluate_handle(
        """([name, data]) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type: "image/png" }));
          return transfer;
        }""",
        ["dropped.png", base64.b64encode(THREE).decode()],
    )
    target = card(page, CLASSIFY)
    target.dispatch_event("dragenter", {"dataTransfer": transfer})
    expect(target).to_have_class(re.compile("dropping"))
    target.dispatch_event("drop", {"dataTransfer": transfer})
    expect(target).not_to_have_class(re.compile("dropping"))
    expect(page.locator(f"{CLASSIFY} .file-name")).to_contain_text("dropped.png")
    assert shown_width(page, CLASSIFY, "preview") == 320
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "done")


@pytest.mark.parametrize("name", ["notes.txt", "notes.jpg"])
def test_what_is_no_picture_is_refused_in_words(page: Any, watch: Any, name: str) -> None:
    watch.allow.append("the server responded with a status of 4")
    choose(page, CLASSIFY, upload(name, b"these are words", "text/plain"))
    expect(page.locator(f"{CLASSIFY} .no-preview")).to_be_visible()
    submit(page, CLASSIFY)
    problem = page.locator(f"{CLASSIFY} [role=alert]")
    expect(problem).to_contain_text("not a picture")
    expect(problem).to_contain_text("JPEG")


def test_too_many_bytes_are_refused_with_the_limit_before_they_are_sent(
    page: Any, tmp_path: Path
) -> None:
    limits = page.locator(".cards")
    file = tmp_path / "large.jpg"
    with file.open("wb") as stream:
        stream.truncate(int(limits.get_attribute("data-max-bytes")) + 1)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    choose(page, DETECT, file)
    submit(page, DETECT)
    problem = page.locator(f"{DETECT} [role=alert]")
    expect(problem).to_contain_text("too large")
    expect(problem).to_contain_text(f"{limits.get_attribute('data-max-mb')} MB")
    assert "POST" not in sent


def test_too_many_pixels_are_refused_with_the_limit(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 413")
    megapixels = page.locator(".cards").get_attribute("data-max-megapixels")
    height = int(float(megapixels) * 1e6 / 10_000) + 1
    buffer = io.BytesIO()
    Image.new("1", (10_000, height)).save(buffer, "PNG")
    choose(page, CLASSIFY, upload("wide.png", buffer.getvalue()))
    submit(page, CLASSIFY)
    expect(page.locator(f"{CLASSIFY} [role=alert]")).to_contain_text(f"{megapixels} megapixels")


def test_without_a_photo_the_page_asks_for_one(page: Any) -> None:
    submit(page, CLASSIFY)
    expect(page.locator(f"{CLASSIFY} [role=alert]")).to_contain_text("No photo chosen")


def test_an_answer_that_is_no_json_is_an_error_in_words(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 502")
    page.route(
        "**/imageclassification", lambda route: route.fulfill(status=502, body="<h1>Bad gateway")
    )
    choose(page, CLASSIFY, upload("three.png", THREE))
    submit(page, CLASSIFY)
    expect(page.locator(f"{CLASSIFY} [role=alert]")).to_contain_text("went wrong on the server")
    page.unroute("**/imageclassification")
    page.get_by_role("button", name="Try again").click()
    expect_state(page, CLASSIFY, "done")


def test_a_lost_connection_is_told_and_recovers_by_itself(page: Any, watch: Any) -> None:
    watch.allow.append("ERR_FAILED")
    url = f"**{page.locator(CLASSIFY).get_attribute('data-result')}?*"
    page.route(url, lambda route: route.abort())
    choose(page, CLASSIFY, upload("three.png", THREE))
    submit(page, CLASSIFY)
    status = page.locator(f"{CLASSIFY} [role=status]")
    expect(status).to_have_text("Connection lost, retrying", timeout=VERDICT_MS)
    page.unroute(url)
    expect_state(page, CLASSIFY, "done")


def test_a_second_photo_replaces_the_first_one_under_way(page: Any) -> None:
    url = f"**{page.locator(CLASSIFY).get_attribute('data-result')}?*"
    held: list[Any] = []
    page.route(url, lambda route: held.append(route))  # the first result never comes
    choose(page, CLASSIFY, upload("first.png", THREE))
    with page.expect_request(url):
        submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "waiting")
    choose(page, CLASSIFY, upload("second.png", THREE))
    expect_state(page, CLASSIFY, "ready")
    page.unroute(url)
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "done")
    expect(page.locator(f"{CLASSIFY} .bars")).to_have_count(1)
    expect(page.locator(f"{CLASSIFY} .file-name")).to_contain_text("second.png")


def test_names_and_labels_are_never_markup(page: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    answer = {
        "state": "complete",
        "predictions": [{"label": hostile, "index": 0, "score": 0.5}],
        "image": {"width": 320, "height": 320},
        "model": hostile,
        "engine": hostile,
    }
    answer_with(page, CLASSIFY, answer)
    choose(page, CLASSIFY, upload(f"{hostile}.png", THREE))
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "done")
    expect(page.locator(f"{CLASSIFY} .bar .label")).to_have_text(hostile)
    expect(page.locator(f"{CLASSIFY} .file-name")).to_contain_text(hostile)
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_the_result_text_alone_is_enough(page: Any) -> None:
    """An older server sends the percents as a JSON text and nothing else."""
    text = json.dumps({"daisy": "97.3%", "roses": "1.2%"})
    answer_with(page, CLASSIFY, {"state": "complete", "result": text})
    choose(page, CLASSIFY, upload("flower.png", THREE))
    submit(page, CLASSIFY)
    expect(page.locator(f"{CLASSIFY} .bar .percent")).to_have_text(["97.3%", "1.2%"])


def test_nothing_found_is_said(page: Any) -> None:
    choose(page, DETECT, upload("blank.png", png(size=(640, 480))))
    submit(page, DETECT)
    expect_state(page, DETECT, "done")
    expect(page.locator(f"{DETECT} [role=status]")).to_have_text("Done. Nothing found")
    assert shown_width(page, DETECT, "result") == 640


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_needs_no_sideways_scrolling(
    open_page: Callable[..., Any], scheme: str
) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    long_name = f"{'a-very-long-name' * 8}.png"
    choose(page, DETECT, upload(long_name, TWO_DIGITS))
    submit(page, DETECT)
    expect_state(page, DETECT, "done")
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 360


def test_the_dark_scheme_is_dark(open_page: Callable[..., Any]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(int(number) for number in re.findall(r"\d+", colour)[:3]))
    light, dark = grounds
    assert light > 600
    assert dark < 150


def test_the_keyboard_is_enough(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "three.png"
    file.write_bytes(THREE)

    def tab_to(target: Any) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if target.evaluate("node => node === document.activeElement"):
                return
        pytest.fail("the keyboard never gets there")

    # Asked for early: the browser takes a moment to hand its dialogs over.
    page.on("filechooser", lambda _: None)
    tab_to(page.locator(f"{CLASSIFY} input[name=photo]"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(file)
    tab_to(page.locator("#icupload"))
    page.keyboard.press("Enter")
    expect_state(page, CLASSIFY, "done")


def test_without_scripts_the_form_posts_and_gets_json(open_page: Callable[..., Any]) -> None:
    page = open_page(java_script_enabled=False)
    choose(page, CLASSIFY, upload("three.png", THREE))
    with page.expect_navigation() as navigation:
        submit(page, CLASSIFY)
    answer = json.loads(navigation.value.text())
    assert answer["status"] == "success"
    assert answer["filename"] == "three.png"
