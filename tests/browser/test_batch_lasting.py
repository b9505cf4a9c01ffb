"""Batches through trouble: lost connections, reloads, a portal that dies; and for everybody."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect
from support.browser import batching
from support.browser.batching import choose, column, expect_done, folder_of, rows, start, zip_of
from support.browser.keyboard import tab_to
from support.helpers import wait_until
from support.live import digit, kill

pytestmark = [pytest.mark.slow, pytest.mark.browser]

Open = Callable[..., Any]
SENDING = re.compile(r"/photos\?key=")


page = batching.page

# The first answer to a portion is lost on its way, after the server has taken the photos.
LOSE_AN_ANSWER = """() => {
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (form) {
    if (!window.lost && form.has("portion")) {
      window.lost = true;
      this.onload = this.onerror;
    }
    send.call(this, form);
  };
}"""


def test_a_lost_answer_doubles_nothing(page: Any, tmp_path: Path) -> None:
    page.evaluate(LOSE_AN_ANSWER)
    choose(page, "folder", folder_of(tmp_path, "3", "7"))
    start(page)
    expect_done(page)
    assert page.evaluate("() => window.lost")
    assert column(page, 4) == ["3", "7"]


def test_a_reload_in_the_middle_goes_on_watching(page: Any, live: Any, tmp_path: Path) -> None:
    live.wait_idle()
    [worker] = live.pids("workers.image_classification")
    choose(page, "folder", folder_of(tmp_path, *"0123456789"))
    os.kill(worker, signal.SIGSTOP)
    try:
        start(page)
        expect(page.locator("#state-words")).to_have_text("Recognising")
        page.reload()
        expect(page.locator("#state-words")).to_have_text("Recognising")
    finally:
        os.kill(worker, signal.SIGCONT)
    expect_done(page)
    expect(rows(page)).to_have_count(10)
    expect(page.locator("#batch-title")).to_have_text("digits")  # this browser knows its name


def test_a_reload_in_the_middle_of_sending_says_so_and_goes_on_with_the_rest(
    page: Any, watch: Any, tmp_path: Path
) -> None:
    watch.allow.append("ERR_FAILED")
    folder = folder_of(tmp_path, *["3"] * 20)
    portions: list[Any] = []

    def first_only(route: Any) -> None:
        portions.append(route)
        if len(portions) == 1:
            route.continue_()  # the second never comes to its end

    page.route(SENDING, first_only)
    choose(page, "folder", folder)
    start(page)
    expect(rows(page)).to_have_count(16)
    page.once("dialog", lambda dialog: dialog.accept())  # the browser asks: photos are being sent
    page.reload()
    page.unroute(SENDING)
    resume = page.locator("#resume")
    expect(resume).to_be_visible(timeout=60_000)
    expect(resume).to_contain_text("16 of 20 photos have arrived")
    page.locator("#again-folder").set_input_files(folder)
    expect_done(page)
    expect(rows(page)).to_have_count(20)
    assert len(set(column(page, 2))) == 20


def test_a_batch_left_in_the_middle_can_be_closed_as_it_is(open_page: Open, live: Any) -> None:
    data = {"kind": "image_classification", "model": "digits", "expected": "3", "open": "1"}
    files = {"photo": ("three.png", digit("3"))}
    batch = requests.post(f"{live.url}/batches", data=data, files=files, timeout=30).json()
    page = open_page(f"/batch?id={batch['id']}&key={batch['key']}")
    expect(page.locator("#resume")).to_contain_text("1 of 3 photos have arrived", timeout=60_000)
    page.get_by_role("button", name="Finish with these photos").click()
    expect_done(page)
    expect(page.locator("#resume")).to_be_hidden()
    expect(page.locator("#batch-title")).to_have_text("1 photo")  # another browser's batch


def test_a_portal_that_dies_in_the_middle_is_waited_for(
    page: Any, watch: Any, live: Any, tmp_path: Path
) -> None:
    watch.allow += ["ERR_", "status of 50"]
    choose(page, "folder", folder_of(tmp_path, *"0123456789" * 3))
    start(page)
    expect(rows(page)).not_to_have_count(0)
    kill(live.pids("index.py"))
    expect_done(page)
    expect(rows(page)).to_have_count(30)
    assert column(page, 3) == ["done"] * 30


def test_a_full_server_is_waited_for(page: Any, watch: Any) -> None:
    watch.allow.append("status of 503")
    busy = {"status": "error", "error": "full", "code": "busy", "retry_after": 1}
    seen: list[bool] = []

    def full(route: Any) -> None:
        if seen:
            route.continue_()
        else:
            route.fulfill(status=503, json=busy)

    page.route(SENDING, full)
    photo = {"name": "a.png", "mimeType": "image/png", "buffer": digit("3")}
    choose(page, "photos", [photo])
    start(page)
    expect(page.locator("#trouble")).to_contain_text("busy")
    seen.append(True)
    expect_done(page)
    expect(page.locator("#trouble")).to_be_hidden()


def done_batch(page: Any, tmp_path: Path) -> None:
    choose(page, "folder", folder_of(tmp_path, "3", "7"))
    start(page)
    expect_done(page)


def test_a_batch_is_listed_and_deleted(page: Any, watch: Any, tmp_path: Path) -> None:
    watch.allow.append("status of 404")
    done_batch(page, tmp_path)
    address = page.url
    page.get_by_role("link", name="New batch").click()
    item = page.locator("#yours li")
    expect(item).to_have_count(1)
    expect(item).to_contain_text("2 photos")
    item.get_by_role("button", name="Delete digits").click()
    page.locator("#ask").get_by_role("button", name="Cancel").click()
    expect(item).to_have_count(1)
    item.get_by_role("link", name="digits").click()
    expect_done(page)
    page.get_by_role("button", name="Delete").click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("#yours-empty")).to_be_visible()
    page.goto(address)
    expect(page.get_by_role("alert").first).to_contain_text("This batch was not found")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_full_batch(
    open_page: Open, accessible: Callable[[Any], None], scheme: str, tmp_path: Path
) -> None:
    page = open_page("/batch", color_scheme=scheme)
    choose(page, "folder", folder_of(tmp_path, "3", "7"))
    accessible(page)
    start(page)
    expect_done(page)
    accessible(page)
    page.locator(".opener").first.click()
    expect(page.locator("#opened .view")).to_be_visible()
    accessible(page)


def test_a_phone_needs_no_sideways_scrolling(open_page: Open, tmp_path: Path) -> None:
    page = open_page("/batch", viewport={"width": 360, "height": 740}, locale="zh-TW")
    folder = folder_of(tmp_path, "3", "7", name="a-very-long-name" * 8)
    choose(page, "folder", folder)
    start(page)
    expect(page.locator("#state-words")).to_have_text("完成，所有照片都有結果了", timeout=60_000)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    score = page.locator("#table tbody td:nth-child(5)").first
    expect(score).to_be_visible()
    box = score.bounding_box()
    assert box and box["x"] + box["width"] <= 360


def test_the_keyboard_is_enough(page: Any, tmp_path: Path) -> None:
    page.on("filechooser", lambda _: None)  # asked for early: handing over takes a moment
    folder = folder_of(tmp_path, "3", "7")
    tab_to(page, page.locator("#folder"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(folder)
    expect(page.locator("#chosen")).to_be_visible()
    tab_to(page, page.locator("#go"))
    page.keyboard.press("Enter")
    expect_done(page)
    tab_to(page, page.locator("th[data-column=name] button"))
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert column(page, 2)[0].endswith("digit 1.png")
    tab_to(page, page.locator(".opener").first)
    page.keyboard.press("Enter")
    expect(page.locator("#opened .view")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#opened")).to_be_hidden()
    expect(page.locator(".opener").first).to_be_focused()


def test_without_scripts_a_form_leads_to_a_page_with_the_table(open_page: Open) -> None:
    page = open_page("/batch", java_script_enabled=False)
    data = zip_of(("a/three.png", digit("3")), ("words.png", b"words"))
    choose(page, "archive", {"name": "a.zip", "mimeType": "application/zip", "buffer": data})
    page.get_by_role("button", name="Start the batch").click()
    expect(page.locator("h1")).to_have_text("2 photos in this batch")

    def is_done() -> bool:
        if "done" in page.locator("tbody tr").first.inner_text():
            return True
        with page.expect_navigation():
            page.get_by_role("link", name="Refresh").click()
        return False

    wait_until(is_done, 60, "the verdict")
    expect(page.get_by_role("link", name="Refresh")).to_have_count(0)
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").last).to_contain_text("rejected")
    with page.expect_download():
        page.get_by_role("link", name="Download CSV").click()
    page.get_by_role("link", name="a/three.png").click()
    expect(page.locator("h1")).to_be_visible()
