"""The home page, in a browser, over a real server with its workers.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.homely import (
    CLASSIFY,
    DETECT,
    THREE,
    TWO_DIGITS,
    card,
    choose,
    expect_state,
    photo_view,
    png,
    recognise,
    rows,
    submit,
    upload,
)

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_the_page_keeps_the_names_that_clients_know(page: Any) -> None:
    for form, button in ((CLASSIFY, "#icupload"), (DETECT, "#odupload")):
        expect(page.locator(form)).to_have_attribute("method", "post")
        expect(page.locator(form)).to_have_attribute("enctype", "multipart/form-data")
        expect(page.locator(f"{form} input[type=file][name=photo]")).to_have_count(1)
        expect(page.locator(f"{form} {button}")).to_be_visible()


@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
def test_the_first_view_is_small(chromium: Any, live: Any, lang: str) -> None:
    page = chromium.new_page()
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(f"{live.url}/?lang={lang}", wait_until="networkidle")
    expect(page.locator("html")).to_have_class("js")
    assert sum(len(answer.body()) for answer in answers) < 100_000
    page.close()


def test_the_examples_name_the_true_address(page: Any, live: Any) -> None:
    examples = page.locator(".use pre code")
    expect(examples).to_contain_text([f" {live.url.rstrip('/')}/"] * 2)
    expect(examples).to_have_count(2)


def test_a_photo_is_seen_before_it_is_sent(page: Any) -> None:
    choose(page, CLASSIFY, upload("three.png", THREE))
    expect_state(page, CLASSIFY, "ready")
    expect(rows(page, CLASSIFY, "ready")).to_contain_text("three.png")
    image = photo_view(page, CLASSIFY).locator("img")
    expect(image).to_have_js_property("naturalWidth", 320)


def test_classification_names_the_picture(page: Any) -> None:
    recognise(page, CLASSIFY, upload("three.png", THREE))
    expect(rows(page, CLASSIFY, "done")).to_contain_text(re.compile(r"\w+, \d{1,3}\.\d%"))
    expect(photo_view(page, CLASSIFY)).to_contain_text(re.compile(r"\d{1,3}\.\d%"))
    expect(card(page, CLASSIFY).locator("> [role=status]")).to_contain_text("Done.")


def test_detection_finds_the_digits(page: Any) -> None:
    recognise(page, DETECT, upload("digits.png", TWO_DIGITS))
    expect(rows(page, DETECT, "done")).to_contain_text("2 objects")
    expect(photo_view(page, DETECT).get_by_role("heading", name="digits.png")).to_be_visible()


def test_several_photos_go_with_one_press_and_one_is_looked_at(page: Any) -> None:
    names = ["one.png", "two.png", "three.png"]
    choose(page, CLASSIFY, *[upload(name, THREE) for name in names])
    expect(page.locator("#icupload")).to_have_text("Classify 3 photos")
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "done")
    expect(rows(page, CLASSIFY, "done")).to_have_count(3)
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text("one.png")
    rows(page, CLASSIFY).nth(2).locator(".tray-row").click()
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text("three.png")
    expect(card(page, CLASSIFY).locator(".tally")).to_have_text("3 photos recognised")


def test_a_chosen_photo_stays_while_others_come(page: Any) -> None:
    recognise(page, CLASSIFY, upload("one.png", THREE), upload("two.png", THREE))
    name = photo_view(page, CLASSIFY).locator(".shown-name")
    expect(name).to_have_text("one.png")
    recognise(page, CLASSIFY, upload("three.png", THREE))
    expect(name).to_have_text("one.png")
    rows(page, CLASSIFY).nth(2).locator(".tray-row").click()
    recognise(page, CLASSIFY, upload("four.png", THREE))
    expect(name).to_have_text("four.png")


def test_photos_are_removed_one_by_one_or_all_at_once(page: Any) -> None:
    recognise(page, CLASSIFY, *[upload(f"{n}.png", THREE) for n in range(3)])
    photo_view(page, CLASSIFY).get_by_role("button", name="Remove").click()
    expect(rows(page, CLASSIFY)).to_have_count(2)
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text("1.png")
    card(page, CLASSIFY).get_by_role("button", name="Clear all").click()
    expect_state(page, CLASSIFY, "empty")
    expect(rows(page, CLASSIFY)).to_have_count(0)
    expect(page.locator(f"{CLASSIFY} input[name=photo]")).to_be_focused()
    page.reload()
    expect_state(page, CLASSIFY, "empty")


def test_another_model_takes_the_same_photo(page: Any) -> None:
    recognise(page, CLASSIFY, upload("three.png", THREE))
    page.locator(f"{CLASSIFY} select").select_option("digits")
    photo_view(page, CLASSIFY).get_by_role("button", name="Recognise again with digits").click()
    expect(rows(page, CLASSIFY, "done")).to_contain_text(re.compile(r"^three\.png3, \d"))
    expect(rows(page, CLASSIFY)).to_have_count(1)


def test_uncertain_finds_can_be_asked_for(page: Any, live: Any) -> None:
    page.locator(f"{DETECT} input[name=threshold]").check()
    with page.expect_response("**/objectdetection") as sent:
        recognise(page, DETECT, upload("digits.png", TWO_DIGITS))
    assert live.result("/objectdetection/odres", sent.value.json())["threshold"] == 0.15


def test_the_essentials_of_the_model_are_told(page: Any) -> None:
    about = card(page, CLASSIFY).locator(".about:not([hidden])")
    expect(about).to_contain_text("10 classes: airplane")
    page.locator(f"{CLASSIFY} select").select_option("digits")
    expect(about).to_contain_text("0, 1, 2")
    expect(about).to_contain_text(re.compile(r"\d\d\.\d%"))


def test_what_was_submitted_is_kept_in_this_browser(page: Any) -> None:
    recognise(page, CLASSIFY, upload("three.png", THREE))
    entries = page.wait_for_function(
        """async () => {
          const module = document.querySelector("script[type=module]").src;
          const store = await import(module.replace("pages/home.js", "shared/store.js"));
          const all = await store.all();
          const ready = all[0]?.state === "complete" && all[0].thumb;
          return ready && all.map(({ name, kind, thumb }) => ({ name, kind, size: thumb.size }));
        }"""
    ).json_value()
    assert [(each["name"], each["kind"]) for each in entries] == [
        ("three.png", "image_classification")
    ]
    assert entries[0]["size"] > 100


def test_names_and_labels_are_never_markup(page: Any, watch: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    answer = {
        "state": "complete",
        "job": "image_classification",
        "predictions": [{"label": hostile, "index": 0, "score": 0.5}],
        "image": {"width": 320, "height": 320},
        "model": hostile,
        "engine": hostile,
    }
    watch.allow.append("the server responded with a status of 404")
    page.route("**/events?*", lambda route: route.fulfill(status=404, json={}))
    page.route("**/imgclassres?*", lambda route: route.fulfill(json=answer))
    page.once("dialog", lambda dialog: pytest.fail(dialog.message))
    choose(page, CLASSIFY, upload(f"{hostile}.png", THREE))
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "done")
    expect(rows(page, CLASSIFY)).to_contain_text(f"{hostile}, 50.0%")
    expect(photo_view(page, CLASSIFY)).to_contain_text(hostile)
    expect(page.locator("img[src=x]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_full_page_is_in_order(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], scheme: str, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 740}, color_scheme=scheme)
    long_name = f"{'a-very-long-name' * 8}.png"
    digits = png(("2", 60, 120), ("5", 360, 90), size=(640, 480))
    recognise(page, DETECT, upload(long_name, digits), upload("b.png", digits))
    expect(photo_view(page, DETECT).locator(".view")).to_be_visible()
    page.get_by_role("button", name="Draw a digit").click()
    expect(page.locator(".pad-paper")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.mouse.move(0, 0)  # nothing is lit, nothing dimmed
    accessible(page)


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
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file in files:
        file.write_bytes(THREE)

    def tab_to(target: Any) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if target.evaluate("node => node === document.activeElement"):
                return
        pytest.fail("the keyboard never gets there")

    # Asked for early: the browser takes a moment to hand its dialogs over.
    page.on("filechooser", lambda _: None)
    tab_to(page.locator(f"{CLASSIFY} input[name=photo]"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(files)
    expect(rows(page, CLASSIFY)).to_have_count(2)  # the card is laid out anew for them
    tab_to(page.locator("#icupload"))
    page.keyboard.press("Enter")
    # The button goes with the last photo; whoever pressed it is among the photos.
    expect(rows(page, CLASSIFY).first.locator(".tray-row")).to_be_focused()
    expect_state(page, CLASSIFY, "done")
    page.keyboard.press("ArrowDown")
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text("two.png")
    expect(rows(page, CLASSIFY).nth(1).locator(".tray-row")).to_be_focused()
    page.keyboard.press("Delete")
    expect(rows(page, CLASSIFY)).to_have_count(1)
    expect(rows(page, CLASSIFY).first.locator(".tray-row")).to_be_focused()


def test_without_scripts_the_form_posts_and_gets_a_page(open_page: Callable[..., Any]) -> None:
    page = open_page(java_script_enabled=False)
    page.locator(f"{CLASSIFY} input[name=photo]").set_input_files(upload("three.png", THREE))
    submit(page, CLASSIFY)
    page.wait_for_url("**/photo?*")
    expect(page.locator("main")).to_contain_text("three.png")


def test_the_workspace_speaks_traditional_chinese(open_page: Callable[..., Any]) -> None:
    page = open_page(locale="zh-TW")
    expect(page.locator("#icupload")).to_have_text("辨識這張照片")
    recognise(page, CLASSIFY, *[upload(f"{n}.png", THREE) for n in range(2)])
    expect(card(page, CLASSIFY).locator(".tally")).to_have_text("已辨識 2 張照片")
    words = card(page, CLASSIFY).inner_text()
    assert not re.search(r"\b(Remove|Clear|Choose|Photos|Draw)\b", words)
