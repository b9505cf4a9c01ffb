"""The home page when something goes wrong: refusals, a full queue, no connection, a reload."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect
from support.browser.homely import (
    CLASSIFY,
    DETECT,
    THREE,
    VERDICT_MS,
    card,
    choose,
    expect_state,
    photo_view,
    recognise,
    rows,
    submit,
    upload,
)
from support.browser.watch import Watch
from support.live import Live, kill

pytestmark = [pytest.mark.slow, pytest.mark.browser]

UPLOAD = "**/imageclassification"


def problem(page: Any, form: str) -> Any:
    return photo_view(page, form).get_by_role("alert")


@pytest.mark.parametrize("name", ["notes.txt", "notes.jpg"])
def test_what_is_no_picture_is_refused_in_words(page: Any, watch: Any, name: str) -> None:
    watch.allow.append("the server responded with a status of 4")
    choose(page, CLASSIFY, upload(name, b"these are words", "text/plain"))
    expect(photo_view(page, CLASSIFY)).to_contain_text("No preview available")
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "failed")
    expect(problem(page, CLASSIFY)).to_contain_text("not a picture")
    expect(problem(page, CLASSIFY)).to_contain_text("JPEG")
    expect(rows(page, CLASSIFY, "failed")).to_contain_text("not a picture")


def test_one_bad_file_does_not_stop_the_others(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 415")
    bad = upload("notes.txt", b"these are words", "text/plain")
    recognise(page, CLASSIFY, upload("one.png", THREE), bad, upload("two.png", THREE))
    expect(rows(page, CLASSIFY, "done")).to_have_count(2)
    expect(card(page, CLASSIFY).locator(".tally")).to_have_text("2 photos recognised · 1 failed")


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
    expect(problem(page, DETECT)).to_contain_text("too large")
    expect(problem(page, DETECT)).to_contain_text(f"{limits.get_attribute('data-max-mb')} MB")
    expect(page.locator("#odupload")).to_be_hidden()
    assert "POST" not in sent


def test_too_many_pixels_are_refused_with_the_limit(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 413")
    megapixels = page.locator(".cards").get_attribute("data-max-megapixels")
    height = int(float(megapixels) * 1e6 / 10_000) + 1
    buffer = io.BytesIO()
    Image.new("1", (10_000, height)).save(buffer, "PNG")
    choose(page, CLASSIFY, upload("wide.png", buffer.getvalue()))
    submit(page, CLASSIFY)
    expect(problem(page, CLASSIFY)).to_contain_text(f"{megapixels} megapixels")


def test_without_a_photo_the_page_asks_for_one(page: Any) -> None:
    submit(page, CLASSIFY)
    expect(card(page, CLASSIFY).get_by_role("alert")).to_contain_text("No photo chosen")


def test_an_error_of_the_server_is_told_and_tried_again(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 500")
    page.route(UPLOAD, lambda route: route.fulfill(status=500, body="<h1>Error"))
    choose(page, CLASSIFY, upload("one.png", THREE), upload("two.png", THREE))
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "failed")
    expect(problem(page, CLASSIFY)).to_contain_text("went wrong on the server")
    page.unroute(UPLOAD)
    photo_view(page, CLASSIFY).get_by_role("button", name="Try again").click()
    expect(rows(page, CLASSIFY, "done")).to_have_count(1, timeout=VERDICT_MS)
    expect(rows(page, CLASSIFY, "failed")).to_have_count(1)


def test_all_that_failed_are_tried_again_at_once(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 500")
    page.route(UPLOAD, lambda route: route.fulfill(status=500, json={}))
    choose(page, CLASSIFY, upload("one.png", THREE), upload("two.png", THREE))
    submit(page, CLASSIFY)
    expect_state(page, CLASSIFY, "failed")
    page.unroute(UPLOAD)
    card(page, CLASSIFY).get_by_role("button", name="Retry failed photos").click()
    expect(rows(page, CLASSIFY, "done")).to_have_count(2, timeout=VERDICT_MS)


def test_a_full_queue_is_waited_out(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 503")
    full = {"status": "error", "code": "busy", "error": "the queue is full", "retry_after": 2}
    seen: list[bool] = []

    def answer(route: Any) -> None:
        if not seen:
            route.fulfill(status=503, json=full, headers={"Retry-After": "2"})
        else:
            route.continue_()

    page.route(UPLOAD, answer)
    choose(page, CLASSIFY, upload("three.png", THREE))
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY, "held")).to_contain_text("Queue full, retrying at")
    seen.append(True)
    expect_state(page, CLASSIFY, "done")


def test_a_full_queue_of_one_kind_holds_up_no_other(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 503")
    full = {"status": "error", "code": "busy", "error": "the queue is full", "retry_after": 600}
    page.route(UPLOAD, lambda route: route.fulfill(status=503, json=full))
    choose(page, CLASSIFY, *[upload(f"{n}.png", THREE) for n in range(4)])
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY, "held")).to_have_count(4)
    recognise(page, DETECT, upload("three.png", THREE))
    expect(rows(page, CLASSIFY, "held")).to_have_count(4)


def test_a_verdict_of_its_own_tells_that_there_is_room_again(page: Any, watch: Any) -> None:
    watch.allow.append("the server responded with a status of 503")
    full = {"status": "error", "code": "busy", "error": "the queue is full", "retry_after": 600}
    held: list[Any] = []

    def answer(route: Any) -> None:
        held.append(route)
        if len(held) == 2:
            route.fulfill(status=503, json=full)
        elif len(held) > 2:
            route.continue_()

    page.route(UPLOAD, answer)
    choose(page, CLASSIFY, upload("one.png", THREE), upload("two.png", THREE))
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY, "held")).to_have_count(1)
    held[0].continue_()
    expect(rows(page, CLASSIFY, "done")).to_have_count(2, timeout=VERDICT_MS)


def test_without_a_connection_it_says_so_and_goes_on_by_itself(page: Any, watch: Any) -> None:
    watch.allow.append("ERR_INTERNET_DISCONNECTED")
    # What is needed to send is there by now, as on a page that was used before.
    recognise(page, CLASSIFY, upload("first.png", THREE))
    expect(photo_view(page, CLASSIFY).locator(".view")).to_be_visible()
    page.context.set_offline(True)
    choose(page, CLASSIFY, upload("second.png", THREE))
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY, "offline")).to_contain_text("No connection")
    page.context.set_offline(False)
    expect(rows(page, CLASSIFY, "done")).to_have_count(2, timeout=VERDICT_MS)


def test_a_lost_connection_while_waiting_is_told_and_recovers(page: Any, watch: Any) -> None:
    watch.allow.append("ERR_FAILED")
    for url in ("**/events?*", "**/imgclassres?*"):
        page.route(url, lambda route: route.abort())
    choose(page, CLASSIFY, upload("three.png", THREE))
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY)).to_contain_text("Connection lost, retrying", timeout=VERDICT_MS)
    expect(photo_view(page, CLASSIFY)).to_contain_text("Connection lost, retrying")
    page.unroute_all()
    expect_state(page, CLASSIFY, "done")


def test_a_file_that_has_gone_is_told(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "gone.png"
    file.write_bytes(THREE)
    choose(page, CLASSIFY, file)
    expect(rows(page, CLASSIFY, "ready")).to_have_count(1)
    file.unlink()
    submit(page, CLASSIFY)
    expect(problem(page, CLASSIFY)).to_contain_text("can no longer be read")


def test_a_reload_in_the_middle_loses_nothing_that_was_sent(page: Any) -> None:
    held: list[Any] = []
    for url in ("**/events?*", "**/imgclassres?*"):
        page.route(url, lambda route: held.append(route))  # no verdict comes before the reload
    choose(page, CLASSIFY, *[upload(f"{n}.png", THREE) for n in range(3)])
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY, "waiting")).to_have_count(3, timeout=VERDICT_MS)
    choose(page, CLASSIFY, upload("unsent.png", THREE))
    page.unroute_all()
    page.reload()
    expect(rows(page, CLASSIFY, "done")).to_have_count(3, timeout=VERDICT_MS)
    expect(rows(page, CLASSIFY).first).to_contain_text(re.compile(r"^0\.png\w+, \d"))
    expect(photo_view(page, CLASSIFY)).to_contain_text(re.compile(r"\d\.\d%"))
    lost = card(page, CLASSIFY).get_by_role("alert")
    expect(lost).to_contain_text("1 photo had not been sent when")


def test_after_a_reload_the_photo_can_still_go_to_another_model(page: Any) -> None:
    recognise(page, CLASSIFY, upload("three.png", THREE))
    page.reload()
    expect_state(page, CLASSIFY, "done")
    page.locator(f"{CLASSIFY} select").select_option("digits")
    photo_view(page, CLASSIFY).get_by_role("button", name="Recognise again with digits").click()
    expect(rows(page, CLASSIFY, "done")).to_contain_text(re.compile(r"^three\.png3, \d"))


@pytest.fixture
def own(tmp_path: Path, chromium: Any) -> Iterator[tuple[Any, Any]]:
    """An installation of this test alone, and a page of it."""
    running = Live(tmp_path).wait_ready()
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = Watch(running.url, allow=["ERR_", "503"])
    watch.over(page)
    page.goto(running.url)
    yield running, page
    context.close()
    running.stop()
    assert watch.unexpected() == []


def test_a_restart_of_the_server_in_the_middle_is_survived(own: tuple[Any, Any]) -> None:
    server, page = own
    for pid in server.pids("workers.image_classification"):
        os.kill(pid, signal.SIGSTOP)  # nothing gets its verdict before the restart
    choose(page, CLASSIFY, *[upload(f"{n}.png", THREE) for n in range(6)])
    submit(page, CLASSIFY)
    expect(rows(page, CLASSIFY, "waiting").first).to_be_visible(timeout=VERDICT_MS)
    kill(server.pids("index.py"))  # the supervisor starts another one
    for pid in server.pids("workers.image_classification"):
        os.kill(pid, signal.SIGCONT)
    expect(rows(page, CLASSIFY, "done")).to_have_count(6, timeout=VERDICT_MS)
