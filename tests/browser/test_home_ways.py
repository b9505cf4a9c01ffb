"""The ways into the home page: drop, paste, camera, samples, and the pad to draw on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.homely import (
    CLASSIFY,
    DETECT,
    SEVEN,
    THREE,
    VERDICT_MS,
    card,
    draw,
    expect_state,
    paste,
    photo_view,
    rows,
    transfer,
)

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PHOTO = ("three.png", THREE, "image/png")


def drop(page: Any, form: str, *files: tuple[str, bytes, str]) -> None:
    target, data = card(page, form), transfer(page, files)
    target.dispatch_event("dragenter", {"dataTransfer": data})
    expect(target).to_have_class(re.compile("dropping"))
    target.dispatch_event("drop", {"dataTransfer": data})
    expect(target).not_to_have_class(re.compile("dropping"))


def test_dropped_photos_start_at_once(page: Any) -> None:
    drop(page, CLASSIFY, ("dropped.png", THREE, "image/png"), ("other.png", THREE, "image/png"))
    expect_state(page, CLASSIFY, "done")
    expect(rows(page, CLASSIFY, "done")).to_have_count(2)
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text("dropped.png")


def test_a_photo_dropped_beside_the_cards_does_not_replace_the_page(page: Any) -> None:
    prevented = page.evaluate(
        """(dataTransfer) => {
          const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
          return !document.body.dispatchEvent(drop);
        }""",
        transfer(page, [PHOTO]),
    )
    assert prevented
    expect_state(page, CLASSIFY, "empty")


def test_a_pasted_photo_goes_to_the_card_used_last(page: Any) -> None:
    paste(page, PHOTO)
    expect_state(page, CLASSIFY, "done")
    page.locator(f"{DETECT} select").focus()
    paste(page, ("page.png", THREE, "image/png"))
    expect_state(page, DETECT, "done")
    expect(rows(page, DETECT)).to_contain_text("page.png")
    expect(rows(page, CLASSIFY)).to_have_count(1)


@pytest.mark.parametrize(
    "form, name, found",
    [
        (CLASSIFY, "ship", r"ship, \d\d"),
        (CLASSIFY, "airplane", r"airplane, \d\d"),
        (CLASSIFY, "truck", r"truck, \d\d"),
        (CLASSIFY, "frog", r"frog, \d\d"),
        (DETECT, "numbers", "10 objects"),
        (DETECT, "telephone", "10 objects"),
        (DETECT, "blood", r"RBC ×\d\d.*WBC"),
    ],
)
def test_each_sample_gives_what_it_promises(page: Any, form: str, name: str, found: str) -> None:
    card(page, form).locator(f'.sample[data-name="{name}.webp"]').click()
    expect_state(page, form, "done")
    expect(rows(page, form, "done").locator(".row-line")).to_have_text(re.compile(found))


def test_the_samples_are_all_tried_above(page: Any) -> None:
    expect(page.locator(".sample")).to_have_count(7)


@pytest.fixture
def camera_page(live: Any, watch: Any, chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open the home page in a browser that has a camera, and may use it or may not."""
    browsers: list[Any] = []

    def open_(*, allowed: bool) -> Any:
        answer = "--use-fake-ui-for-media-stream" if allowed else "--deny-permission-prompts"
        browser = chromium.browser_type.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", answer],
        )
        browsers.append(browser)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        watch.over(page)
        page.goto(live.url)
        return page

    yield open_
    for browser in browsers:
        browser.close()
    assert watch.unexpected() == []
    assert watch.strangers == []


def test_the_camera_takes_a_photo(camera_page: Callable[..., Any]) -> None:
    page = camera_page(allowed=True)
    box = card(page, CLASSIFY)
    box.get_by_role("button", name="Camera").click()
    box.get_by_role("button", name="Take the photo").click()
    expect(rows(page, CLASSIFY, "done")).to_contain_text("camera-1.jpg", timeout=VERDICT_MS)
    box.get_by_role("button", name="Photos").click()
    expect(box.locator("video")).to_be_hidden()
    streaming = "() => document.querySelector('video')?.srcObject ?? null"
    assert page.evaluate(streaming) is None


def test_a_camera_that_is_refused_says_what_to_do(camera_page: Callable[..., Any]) -> None:
    page = camera_page(allowed=False)
    box = card(page, DETECT)
    box.get_by_role("button", name="Camera").click()
    expect(box.locator(".camera [role=status]")).to_contain_text("Allow it in the address bar")
    expect(box.get_by_role("button", name="Take the photo")).to_be_disabled()


def test_a_phone_uses_its_own_camera_program(open_page: Callable[..., Any]) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    capture = page.locator(".capture input").first
    expect(capture).to_have_attribute("capture", "environment")
    capture.set_input_files({"name": "taken.png", "mimeType": "image/png", "buffer": THREE})
    expect(rows(page, CLASSIFY, "done")).to_contain_text("taken.png", timeout=VERDICT_MS)


def test_without_a_camera_none_is_offered(page: Any) -> None:
    expect(page.locator(".way[data-way=camera]").first).to_be_hidden()
    expect(page.locator(".capture").first).to_be_hidden()


def test_a_drawn_digit_is_recognised_as_the_pen_is_lifted(page: Any) -> None:
    page.get_by_role("button", name="Draw a digit").click()
    expect(page.locator(f"{CLASSIFY} select")).to_have_value("digits")
    draw(page, CLASSIFY, SEVEN)
    line = rows(page, CLASSIFY, "done").locator(".row-line")
    expect(line).to_have_text(re.compile(r"^7, \d"), timeout=VERDICT_MS)
    # A stroke more is the same drawing; after Clear there is another one.
    draw(page, CLASSIFY, [(0.3, 0.5), (0.7, 0.5)])
    expect(rows(page, CLASSIFY, "done")).to_have_count(1)
    card(page, CLASSIFY).get_by_role("button", name="Clear", exact=True).click()
    draw(page, CLASSIFY, [(0.5, 0.15), (0.48, 0.5), (0.47, 0.85)])
    expect(rows(page, CLASSIFY, "done")).to_have_count(2, timeout=VERDICT_MS)
    expect(line.nth(1)).to_have_text(re.compile(r"^1, \d"))


def test_a_drawing_that_goes_on_drops_the_answer_before(page: Any) -> None:
    page.get_by_role("button", name="Draw a digit").click()
    held: list[Any] = []
    page.route("**/imageclassification", lambda route: held.append(route))
    with page.expect_request("**/imageclassification"):
        draw(page, CLASSIFY, [(0.25, 0.2), (0.72, 0.2)])
    page.unroute("**/imageclassification")
    draw(page, CLASSIFY, [(0.72, 0.2), (0.55, 0.5), (0.42, 0.85)])
    line = rows(page, CLASSIFY, "done").locator(".row-line")
    expect(line).to_have_text(re.compile(r"^7, \d"), timeout=VERDICT_MS)
    expect(rows(page, CLASSIFY)).to_have_count(1)


def test_undo_takes_the_last_stroke_back(page: Any) -> None:
    page.get_by_role("button", name="Draw a digit").click()
    draw(page, CLASSIFY, SEVEN, [(0.1, 0.9), (0.9, 0.1)])
    card(page, CLASSIFY).get_by_role("button", name="Undo").click()
    line = rows(page, CLASSIFY, "done").locator(".row-line")
    expect(line).to_have_text(re.compile(r"^7, \d"), timeout=VERDICT_MS)


def test_the_keyboard_draws_too(page: Any) -> None:
    page.get_by_role("button", name="Draw a digit").click()
    page.locator(f"{CLASSIFY} select, .pad-paper").first.focus()
    page.locator(".pad-paper").focus()
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    line = rows(page, CLASSIFY, "done").locator(".row-line")
    expect(line).to_have_text(re.compile(r"^1, \d"), timeout=VERDICT_MS)


def test_digits_written_on_a_page_are_found(page: Any) -> None:
    page.get_by_role("button", name="Write digits").click()
    narrow = [(0.05 + x * 0.2, 0.2 + y * 0.5) for x, y in SEVEN]
    draw(
        page, DETECT, narrow, [(x + 0.35, y) for x, y in narrow], [(x + 0.68, y) for x, y in narrow]
    )
    line = rows(page, DETECT, "done").locator(".row-line")
    expect(line).to_have_text("3 objects: 7 ×3", timeout=VERDICT_MS)


def test_choosing_the_model_of_digits_brings_the_pad(page: Any) -> None:
    page.locator(f"{CLASSIFY} select").select_option("digits")
    expect(card(page, CLASSIFY).locator(".pad-paper")).to_be_visible()
    page.locator(f"{CLASSIFY} select").select_option("objects")
    expect(card(page, CLASSIFY).locator(".pad-paper")).to_be_hidden()
    expect_state(page, CLASSIFY, "empty")
