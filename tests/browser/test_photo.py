"""The page of a photo, and the plain form without scripts.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect
from support.browser import following
from support.browser.following import VERDICT_MS, wake
from support.live import IC, OD, digit

asleep = following.asleep

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PERCENT = re.compile(r"\d{1,3}\.\d%")


@pytest.fixture(scope="module")
def scriptless(launch: Callable[..., Any]) -> Iterator[Any]:
    """A browser that runs no scripts and therefore shows what stands in <noscript>."""
    browser = launch("--blink-settings=scriptEnabled=false")
    yield browser
    browser.close()


@pytest.fixture
def open_plain(scriptless: Any, opener: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """As `open_page`, in the browser without scripts."""
    return opener(scriptless)


def address(*answers: dict[str, Any]) -> str:
    """The page of these photos."""
    pairs = [(("task", one["sessname"]), ("key", one["sesskey"])) for one in answers]
    return f"/photo?{urlencode([part for pair in pairs for part in pair])}"


def post_form(page: Any, kind: str, *names: str) -> None:
    """Send the plain form of the home page."""
    form = page.locator(f"form:has(input[name=kind][value={kind}])")
    files = [{"name": name, "mimeType": "image/png", "buffer": digit("3")} for name in names]
    form.locator("input[type=file][name=photo]").set_input_files(files)
    form.locator("button[type=submit]").click()


def test_without_scripts_the_form_leads_through_waiting_to_the_result(
    open_plain: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_plain()
    post_form(page, IC.name, "three.png")
    page.wait_for_url("**/photo?task=*&key=*")
    expect(page.locator("h1")).to_have_text("three.png")
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    expect(page.get_by_text("This photo is next.")).to_be_visible()
    expect(page.get_by_role("link", name="Refresh now")).to_be_visible()
    wake(live)
    # The page looks again by itself.
    expect(page.get_by_role("heading", name="Most likely")).to_be_visible(timeout=VERDICT_MS)
    bars = page.locator(".gauges li")
    expect(bars).not_to_have_count(0)
    assert PERCENT.fullmatch(bars.first.locator(".percent").inner_text())
    widths = [float(bar.get_attribute("width") or 0) for bar in page.locator(".gauge-fill").all()]
    assert widths == sorted(widths, reverse=True)
    assert bars.first.locator(".gauge").bounding_box()["width"] > 100
    with page.expect_download() as download:
        page.get_by_role("link", name="Download data (JSON)").click()
    assert b'"complete"' in Path(download.value.path()).read_bytes()


def test_without_scripts_a_detection_shows_its_boxes_and_the_drawn_picture(
    open_plain: Callable[..., Any],
) -> None:
    page = open_plain(viewport={"width": 360, "height": 740})
    post_form(page, OD.name, "three.png")
    expect(page.locator("#view tbody tr")).not_to_have_count(0, timeout=VERDICT_MS)
    picture = page.locator("#view img")
    expect(picture).to_have_attribute("alt", re.compile("Your photo with [0-9]+ box"))
    expect(page.get_by_role("link", name="Download picture (PNG)")).to_be_visible()
    assert picture.bounding_box()["width"] <= 360


def test_without_scripts_several_photos_get_a_list(
    open_plain: Callable[..., Any], live: Any
) -> None:
    page = open_plain()
    post_form(page, IC.name, "one.png", "two.png")
    rows = page.locator(".photo-list li")
    expect(rows).to_have_count(2)
    expect(rows.locator(".badge")).to_have_text(["Done", "Done"], timeout=VERDICT_MS)
    rows.get_by_role("link", name="two.png").click()
    expect(page.locator("h1")).to_have_text("two.png")


def test_without_scripts_a_refusal_leads_back_to_the_form(
    open_plain: Callable[..., Any], watch: Any
) -> None:
    watch.allow.append("415")
    page = open_plain()
    form = page.locator(f"form:has(input[name=kind][value={IC.name}])")
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    form.locator("input[type=file][name=photo]").set_input_files(notes)
    form.locator("button[type=submit]").click()
    expect(page.locator("h1")).to_have_text("Nothing was sent")
    expect(page.locator(".problem-title")).to_contain_text("not a picture")
    page.get_by_role("link", name="Back to the form").click()
    expect(page.locator("form").first).to_be_visible()


def test_without_scripts_a_photo_is_removed_by_keyboard(
    open_plain: Callable[..., Any], live: Any
) -> None:
    sent = live.post(IC.upload, digit("3"))
    live.result(IC.result, sent)
    live.wait_idle()  # a photo in the hand of its worker is not removed
    page = open_plain(address(sent))
    page.locator(".photo-remove summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Delete permanently")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("The photo was deleted")
    assert live.result(IC.result, sent)["code"] == "not_found"


def test_a_page_that_is_loaded_again_while_it_waits_goes_on(
    open_page: Callable[..., Any], live: Any, asleep: None, accessible: Callable[[Any], None]
) -> None:
    sent = live.post(IC.upload, digit("3"), "three.png")
    page = open_page(address(sent), viewport={"width": 360, "height": 740})
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    page.reload()
    expect(page.get_by_text("This photo is next.")).to_be_visible()
    accessible(page)
    wake(live)
    expect(page.locator("#view .view")).to_be_visible(timeout=VERDICT_MS)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_list_of_several_photos_fills_by_itself(
    open_page: Callable[..., Any], live: Any, asleep: None, accessible: Callable[[Any], None]
) -> None:
    sent = [live.post(IC.upload, digit("3"), name) for name in ("one.png", "two.png")]
    page = open_page(address(*sent))
    badges = page.locator(".photo-list .badge")
    expect(badges).to_have_text(["Waiting", "Waiting"])
    accessible(page)
    wake(live)
    expect(badges).to_have_text(["Done", "Done"], timeout=VERDICT_MS)
    expect(page.locator(".photo-list p").first).to_have_text(PERCENT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_pages_of_photos(
    open_page: Callable[..., Any], live: Any, accessible: Callable[[Any], None], scheme: str
) -> None:
    for routes in (IC, OD):
        sent = live.post(routes.upload, digit("3"))
        live.result(routes.result, sent)
        accessible(open_page(address(sent), color_scheme=scheme))


def test_an_unknown_photo_is_told_in_words(
    open_page: Callable[..., Any], watch: Any, accessible: Callable[[Any], None]
) -> None:
    watch.allow.append("404")
    page = open_page("/photo?task=x&key=y", viewport={"width": 360, "height": 740})
    expect(page.locator("h1")).to_have_text("There is no photo at this address")
    accessible(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
