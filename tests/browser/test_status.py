"""The status page in a browser, over a real server with its workers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.helpers import picture_without_its_end
from support.live import IC, Live, digit
from support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.browser]

QUEUE = f"#queue-{IC.name}"


def recognise(live: Any, data: bytes | None = None) -> None:
    """One photo with its verdict."""
    answer = live.post(IC.upload, data or digit("3"))
    assert live.result(IC.result, answer)["state"] in ("complete", "failure")


def photos(page: Any) -> int:
    """How many photos of the last hour the page knows."""
    text = page.locator("#tile-failures").inner_text()
    return int(re.search(r"of ([\d,]+) photo", text)[1].replace(",", ""))


@pytest.fixture
def slow_page(open_page: Callable[..., Any]) -> Any:
    """The status page with a clock that only the test moves."""
    page = open_page("/version")
    # Stopped before the page is there: no question may be under way while its time jumps.
    page.clock.install(time="2030-01-01")
    page.clock.pause_at("2030-01-01T00:00:01")
    page.goto(page.url.replace("/version", "/status"))
    expect(page.locator("#pause")).to_be_visible()
    page.clock.run_for(2100)
    expect(page.locator("html")).to_have_attribute("data-live", re.compile("."))
    return page


def turn(page: Any) -> None:
    """Let the page ask once more, and wait until it shows what came."""
    root = page.locator("html")
    before = root.get_attribute("data-live")
    page.clock.run_for(2100)
    expect(root).not_to_have_attribute("data-live", before)


def within_a_minute(act: Callable[[], None]) -> None:
    """Do `act`, and once more if a minute ended in its midst: what it looks at is of one minute."""
    begun = time.time() // 60
    try:
        act()
    except AssertionError:
        if time.time() // 60 == begun:
            raise
        act()


def test_a_photo_shows_without_a_reload(open_page: Callable[..., Any], live: Any) -> None:
    live.wait_idle()
    page = open_page("/status")
    # Figures are up to a second old: by now they have all that was before.
    expect(page.locator("html")).to_have_attribute("data-live", re.compile("."))
    before = photos(page)
    page.evaluate("() => { window.same = true; }")
    recognise(live)
    expect(page.locator("#tile-failures")).not_to_contain_text(f"of {before:,} photo")
    assert photos(page) == before + 1

    def shows() -> None:
        recognise(live)
        expect(page.locator(f"{QUEUE} .bar.running")).to_have_attribute("d", re.compile("^M59"))
        expect(page.locator(f"{QUEUE} .readout")).to_contain_text("This minute: ")
        expect(page.locator(f"{QUEUE} .readout")).to_contain_text("median")

    within_a_minute(shows)
    assert page.evaluate("() => window.same")


def test_a_failure_shows_with_its_reason_and_what_to_do(
    open_page: Callable[..., Any], live: Any
) -> None:
    recognise(live, picture_without_its_end())
    failures = open_page("/status").get_by_role("region", name="Failures of the last hour")
    expect(failures).to_contain_text("bad_image")
    expect(failures).to_contain_text("The picture is damaged.")


def test_a_server_that_goes_and_comes_back(chromium: Any, tmp_path: Path) -> None:
    port = free_port()
    first = Live(tmp_path, "--port", str(port))
    page = chromium.new_page()
    try:
        first.wait_ready()
        page.goto(f"http://127.0.0.1:{port}/status")
        expect(page.locator("#verdict")).to_have_text("Everything is running normally")
        page.evaluate("() => { window.same = true; }")
    finally:
        first.stop()
    expect(page.locator("#away")).to_contain_text("The server does not respond.")
    expect(page.locator("#verdict")).to_be_visible()
    again = Live(tmp_path, "--port", str(port))
    try:
        again.wait_ready()
        expect(page.locator("#away")).to_be_empty()
        expect(page.locator("#verdict")).to_have_text("Everything is running normally")
        assert page.evaluate("() => window.same")
    finally:
        page.close()
        again.stop()


def test_an_answer_that_is_no_page_is_told_and_recovers(slow_page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 502")
    slow_page.route("**/status", lambda route: route.fulfill(status=502, body="Bad gateway"))
    slow_page.clock.run_for(2100)
    expect(slow_page.locator("#away")).to_contain_text("The server does not respond.")
    slow_page.unroute("**/status")
    slow_page.clock.run_for(3100)
    expect(slow_page.locator("#away")).to_be_empty()


def test_what_the_reader_does_outlives_an_update(slow_page: Any, live: Any) -> None:
    recognise(live)
    turn(slow_page)
    summary = slow_page.locator(f"{QUEUE} summary")
    summary.click()

    def shows() -> None:
        before = photos(slow_page)
        recognise(live)
        # Figures are up to a second old.
        while photos(slow_page) == before:
            turn(slow_page)
        expect(slow_page.locator(f"{QUEUE} tbody tr").first).to_contain_text("this minute")

    within_a_minute(shows)
    expect(slow_page.locator(f"{QUEUE} details")).to_have_attribute("open", "")
    expect(summary).to_be_focused()


def test_nothing_is_asked_while_nobody_looks(slow_page: Any) -> None:
    show = """(state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    turn(slow_page)
    paths: list[str] = []
    slow_page.on("request", lambda request: paths.append(request.url))
    slow_page.evaluate(show, "hidden")
    slow_page.clock.run_for(30_000)
    assert paths == []
    with slow_page.expect_response("**/status"):
        slow_page.evaluate(show, "visible")


def test_the_page_can_be_held_still(slow_page: Any) -> None:
    turn(slow_page)
    button = slow_page.get_by_role("button", name="Pause")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    paths: list[str] = []
    slow_page.on("request", lambda request: paths.append(request.url))
    slow_page.clock.run_for(30_000)
    assert paths == []
    with slow_page.expect_response("**/status"):
        button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_the_minutes_can_be_read_with_the_keyboard_and_the_pointer(
    open_page: Callable[..., Any], live: Any
) -> None:
    recognise(live)
    page = open_page("/status")
    slider = page.locator(f"{QUEUE} [role=slider]")
    for _ in range(40):
        page.keyboard.press("Tab")
        if slider.evaluate("node => node === document.activeElement"):
            break
    expect(slider).to_be_focused()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^58 min ago: "))
    expect(page.locator(f"{QUEUE} .cursor.seen")).to_have_count(2)
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^This minute: "))
    box = page.locator(f"{QUEUE} .plot svg").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(page.locator(f"{QUEUE} .readout")).to_contain_text(re.compile("^(29|30) min ago: "))


def test_all_is_there_without_scripts(open_page: Callable[..., Any], live: Any) -> None:
    recognise(live)
    page = open_page("/status", java_script_enabled=False)
    expect(page.locator("#verdict")).to_have_text("Everything is running normally")
    assert photos(page) >= 1
    expect(page.locator(".worker").first).to_contain_text("Memory")
    expect(page.locator(f"{QUEUE} .bar").first).to_be_attached()
    page.locator(f"{QUEUE} summary").click()
    expect(page.locator(f"{QUEUE} tbody tr").first).to_be_visible()
    expect(page.locator("#pause")).to_be_hidden()
    expect(page.locator(".live-state")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_full_page_is_accessible_and_fits_a_phone(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], live: Any, scheme: str
) -> None:
    recognise(live)
    for size in ({"width": 1280, "height": 900}, {"width": 360, "height": 740}):
        page = open_page("/status", viewport=size, color_scheme=scheme)
        page.locator(f"{QUEUE} summary").click()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"]
        accessible(page)


def test_the_page_speaks_traditional_chinese_also_when_it_goes_on(
    open_page: Callable[..., Any], live: Any
) -> None:
    page = open_page("/status", locale="zh-TW")
    expect(page.locator("#verdict")).to_have_text("一切正常")
    with page.expect_response("**/status"):
        recognise(live)
    expect(page.locator(f"{QUEUE} .readout")).to_contain_text("這一分鐘")
