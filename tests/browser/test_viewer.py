"""The view of one detection: boxes over the photo, threshold, legend, rows, zoom.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect
from support.browser.viewing import (
    FOUR,
    HEIGHT,
    HOSTILE,
    OD,
    WIDTH,
    boxes_lie_right,
    detection,
    picture,
    prediction,
    rectangle,
    resize,
    show,
)

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def stage(open_page: Callable[..., Any], watch: Any) -> Callable[..., Any]:
    """A page without scripts of its own, in a window of some size."""
    # It is the answer to an address without a photo.
    watch.allow.append("status of 404")

    def open_(width: int = 1280, height: int = 900, lang: str = "en", **options: Any) -> Any:
        viewport = {"width": width, "height": height}
        return open_page(f"/photo?lang={lang}", viewport=viewport, **options)

    return open_


def shown_rows(page: Any) -> list[str]:
    return list(page.locator(".view-row:visible .label").all_text_contents())


def slide(page: Any, value: float) -> None:
    page.get_by_role("slider").fill(str(value))


def scrolled(page: Any) -> list[float]:
    window = page.locator(".view-window")
    return list(window.evaluate("(node) => [node.scrollLeft, node.scrollTop]"))


@pytest.mark.parametrize("width", [360, 700, 1280])
def test_boxes_lie_where_their_numbers_say_at_every_width_and_zoom(
    stage: Callable[..., Any], width: int
) -> None:
    page = stage(width)
    show(page, OD.name, detection(*FOUR))
    boxes_lie_right(page, FOUR, WIDTH, HEIGHT)
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
        boxes_lie_right(page, FOUR, WIDTH, HEIGHT)
    resize(page, width + 40, 500)
    boxes_lie_right(page, FOUR, WIDTH, HEIGHT)
    page.get_by_role("button", name="Fit").click()
    boxes_lie_right(page, FOUR, WIDTH, HEIGHT)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width + 40


def test_a_photo_taken_sideways_lies_under_its_boxes(stage: Callable[..., Any]) -> None:
    """Boxes are in the upright picture's pixels; the file's rows run the other way."""
    upright = Image.new("RGB", (200, 400), "white")
    ImageDraw.Draw(upright).rectangle((20, 300, 79, 379), "red")
    exif = Image.Exif()
    exif[274] = 6
    buffer = io.BytesIO()
    upright.rotate(90, expand=True).save(buffer, "JPEG", exif=exif, quality=95)
    url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    page = stage()
    image = {"width": 200, "height": 400, "orientation": 6}
    show(
        page, OD.name, detection(prediction("red", 0.9, 20, 300, 80, 380), image=image), picture=url
    )
    expect(page.locator(".view-photo")).to_have_js_property("complete", True)
    box = page.locator(".view-line")
    left, top, right, bottom = rectangle(box)
    page.get_by_role("button", name="Photo", exact=True).click()
    expect(page.locator(".view-tag:visible")).to_have_count(0)
    expect(page.locator(".view-box:visible")).to_have_count(0)
    with Image.open(io.BytesIO(page.screenshot())) as screen:
        inside = ((left + right) / 2, (top + bottom) / 2)
        outside = [(left - 5, inside[1]), (right + 5, inside[1]), (inside[0], top - 5)]
        red, green, blue = screen.convert("RGB").getpixel((round(inside[0]), round(inside[1])))
        assert red > 200 and green < 80 and blue < 80
        for x, y in outside:
            assert min(screen.convert("RGB").getpixel((round(x), round(y)))) > 180


def test_an_older_answer_without_the_size_takes_that_of_the_photo(
    stage: Callable[..., Any],
) -> None:
    page = stage()
    answer = detection(*FOUR)
    del answer["image"]
    show(page, OD.name, answer)
    boxes_lie_right(page, FOUR, WIDTH, HEIGHT)


def test_the_threshold_takes_boxes_rows_and_counts_away_and_brings_them_back(
    stage: Callable[..., Any],
) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("min", "0.4")
    expect(page.get_by_role("heading", name="4 objects", exact=True)).to_be_visible()
    slide(page, 0.7)
    expect(page.get_by_role("heading", name="2 of 4 objects")).to_be_visible()
    expect(slider).to_have_attribute("aria-valuetext", "at least 70%: 2 of 4 objects")
    expect(page.locator(".view-box:visible")).to_have_count(2)
    expect(page.locator(".view-chip", has_text="cat").locator("b")).to_have_text("1")
    assert shown_rows(page) == ["cat", "dog"]
    slide(page, 1)
    expect(page.get_by_text("No objects to show")).to_be_visible()
    slider.press("Home")
    expect(page.locator(".view-box:visible")).to_have_count(4)


def test_labels_are_switched_off_and_on(stage: Callable[..., Any]) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    cats = page.get_by_role("button", name="cat")
    expect(cats).to_have_attribute("aria-pressed", "true")
    cats.click()
    expect(cats).to_have_attribute("aria-pressed", "false")
    assert shown_rows(page) == ["dog", "bird"]
    expect(page.locator(".view-box:visible")).to_have_count(2)
    expect(page.locator(".view [role=status]")).to_have_text("2 of 4 objects")
    page.get_by_role("button", name="Show all labels").click()
    assert shown_rows(page) == ["cat", "dog", "cat", "bird"]
    page.get_by_role("button", name="Hide all labels").click()
    expect(page.locator(".view-box:visible")).to_have_count(0)


def test_row_and_box_point_at_each_other(stage: Callable[..., Any]) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    rows, lit = page.locator(".view-row"), page.locator(".view-box.lit")
    rows.nth(1).hover()
    expect(lit).to_have_attribute("data-index", "1")
    # The bird stands in front of the dog, whose box is around it.
    left, top, right, bottom = rectangle(page.locator(".view-box[data-index='3'] .view-line"))
    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    expect(lit).to_have_attribute("data-index", "3")
    expect(page.locator(".view-row.lit .label")).to_have_text("bird")
    page.mouse.click((left + right) / 2, (top + bottom) / 2)
    page.mouse.move(5, 5)
    expect(lit).to_have_attribute("data-index", "3")
    expect(page.locator(".view-row[aria-selected=true] .label")).to_have_text("bird")


def test_a_label_of_the_legend_points_at_all_its_boxes(stage: Callable[..., Any]) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    page.get_by_role("button", name="cat").hover()
    expect(page.locator(".view-box.lit")).to_have_count(2)
    page.mouse.move(5, 5)
    expect(page.locator(".view-box.lit")).to_have_count(0)


def test_what_is_looked_at_stays_in_sight_when_the_window_changes(
    stage: Callable[..., Any],
) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    page.locator(".view-row").nth(3).click()
    for width in (1000, 500, 1280):
        resize(page, width, 800)
        boxes_lie_right(page, FOUR, WIDTH, HEIGHT)
        view = rectangle(page.locator(".view-window"))
        box = rectangle(page.locator(".view-box[data-index='3'] .view-line"))
        assert view[0] < (box[0] + box[2]) / 2 < view[2]
        assert view[1] < (box[1] + box[3]) / 2 < view[3]


def test_the_keyboard_reaches_every_box_and_zooms(stage: Callable[..., Any]) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    window = page.locator(".view-window")
    window.focus()
    for key, level in (("+", "150%"), ("+", "225%"), ("-", "150%")):
        page.keyboard.press(key)
        expect(page.locator(".view-level")).to_have_text(level)
    before = scrolled(page)
    page.keyboard.press("ArrowRight")
    # It moves smoothly, and would go on under what is brought into sight below.
    page.wait_for_function(
        """(before) => {
          const { scrollLeft } = document.querySelector(".view-window");
          const rests = window.seenLeft === scrollLeft;
          window.seenLeft = scrollLeft;
          return scrollLeft > before && rests;
        }""",
        arg=before[0],
    )
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    for key, label in (
        ("ArrowRight", "dog, 80.0%, left 400, top 101, 121 × 300 px"),
        ("End", "bird, 45.0%"),
        ("ArrowDown", "bird, 45.0%"),
        ("ArrowLeft", "cat, 60.0%, left 900"),
    ):
        page.keyboard.press(key)
        expect(focused).to_have_attribute("aria-label", re.compile(f"^{re.escape(label)}"))
    page.keyboard.press("Enter")
    expect(page.locator(".view-row").nth(2)).to_have_attribute("aria-selected", "true")
    # The third lies in the corner: it was brought into sight.
    view, box = rectangle(window), rectangle(page.locator(".view-box[data-index='2'] .view-line"))
    assert box[0] > view[0] and box[2] <= view[2] + 1
    page.keyboard.press("Escape")
    expect(page.locator("[aria-selected=true]")).to_have_count(0)
    page.keyboard.press("0")
    expect(page.locator(".view-level")).to_have_text("100%")


def test_zoom_ends_at_eight_times_and_keeps_the_place_under_the_pointer(
    stage: Callable[..., Any],
) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    bird = page.locator(".view-box[data-index='3'] .view-line")
    left, top, _, _ = rectangle(bird)
    page.mouse.move(left, top)
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(page.locator(".view-level")).to_have_text("800%")
    expect(page.get_by_role("button", name="Zoom in")).to_be_disabled()
    after = rectangle(bird)
    assert abs(after[0] - left) < 12 and abs(after[1] - top) < 12
    boxes_lie_right(page, FOUR, WIDTH, HEIGHT)
    assert page.evaluate("() => visualViewport.scale") == 1


def test_a_mouse_drags_the_photo_and_chooses_nothing(stage: Callable[..., Any]) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR))
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    left, top, right, bottom = rectangle(page.locator(".view-window"))
    x, y = (left + right) / 2, (top + bottom) / 2
    before = scrolled(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 30, steps=4)
    page.mouse.up()
    assert scrolled(page) == [before[0] + 60, before[1] + 30]
    expect(page.locator("[aria-selected=true]")).to_have_count(0)


def test_two_fingers_pinch(stage: Callable[..., Any]) -> None:
    page = stage(360, 740, has_touch=True)
    show(page, OD.name, detection(*FOUR))
    left, top, right, bottom = rectangle(page.locator(".view-window"))
    x, y = (left + right) / 2, (top + bottom) / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *apart: int) -> None:
        points = [{"x": x + side * d, "y": y, "id": side + 1} for d in apart for side in (-1, 1)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 20)
    for apart in (30, 45, 60):
        touch("touchMove", apart)
    touch("touchEnd")
    expect(page.locator(".view-level")).to_have_text("300%")
    boxes_lie_right(page, FOUR, WIDTH, HEIGHT)


def test_tags_can_be_hidden_and_never_cover_each_other(stage: Callable[..., Any]) -> None:
    page = stage()
    crowd = [
        prediction(f"thing {i}", 0.9 - i / 100, 100 + i, 100 + i, 160 + i, 160 + i)
        for i in range(9)
    ]
    show(page, OD.name, detection(*FOUR, *crowd))
    tags = page.locator(".view-tag:visible")
    expect(tags.first).to_contain_text("cat")
    page.evaluate("() => Promise.allSettled(document.getAnimations().map((a) => a.finished))")
    expect(page.locator(".view-tag.crowded")).not_to_have_count(0)
    rectangles = [rectangle(tag) for tag in tags.all()]
    for i, one in enumerate(rectangles):
        for other in rectangles[:i]:
            apart = (
                one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
            )
            assert apart
    page.get_by_role("button", name="Labels", exact=True).click()
    expect(tags).to_have_count(0)
    page.locator(".view-row").nth(3).hover()
    expect(tags).to_have_text(["bird45%"])


def test_two_hundred_boxes_follow_the_slider(stage: Callable[..., Any]) -> None:
    page = stage()
    many = [
        prediction(
            f"class {i % 23}", round(0.99 - i * 0.0029, 4), i * 4, i * 2, i * 4 + 40, i * 2 + 30
        )
        for i in range(200)
    ]
    show(page, OD.name, detection(*many))
    expect(page.locator(".view-line")).to_have_count(200)
    slide(page, 0.8)
    left = sum(each["score"] >= 0.8 for each in many)
    expect(page.get_by_role("heading", name=f"{left} of 200 objects")).to_be_visible()
    expect(page.locator(".view-box:visible")).to_have_count(left)


def test_hostile_labels_are_text_and_break_nothing(stage: Callable[..., Any]) -> None:
    labels = [HOSTILE, "مرحبا بالعالم", "x" * 500, "🐱👩‍👩‍👧", "", "a b " * 100]
    page = stage(360)
    name = f"{HOSTILE}{'n' * 300}.png"
    answer = detection(
        *[prediction(each, 0.9, i * 150, 100, i * 150 + 100, 300) for i, each in enumerate(labels)],
        model=HOSTILE,
        engine="e" * 300,
    )
    show(page, OD.name, answer, name=name)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert shown_rows(page) == [each.strip() or "(no name)" for each in labels]
    expect(page.locator("img[src=x]")).to_have_count(0)
    expect(page.locator(".view-facts")).to_contain_text(HOSTILE)
    assert all(row.bounding_box()["height"] < 130 for row in page.locator(".view-row").all())


def test_nothing_found_says_so_and_what_to_do(stage: Callable[..., Any]) -> None:
    page = stage()
    show(page, OD.name, detection(result_image="output.png"), task="t", key="k")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(page.get_by_text("No object reached 40%")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(0)
    expect(page.locator(".view-photo")).to_be_visible()


def test_a_picture_that_is_not_the_photo_is_not_shown_under_the_boxes(
    stage: Callable[..., Any],
) -> None:
    page = stage()
    show(page, OD.name, detection(*FOUR), picture=picture(300, 300))
    expect(page.get_by_text("The photo cannot be shown here.")).to_be_visible()
    expect(page.locator(".view-photo")).to_be_hidden()
    expect(page.locator(".view-box:visible")).to_have_count(4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("forced", ["none", "active"])
def test_axe_finds_nothing_serious(
    stage: Callable[..., Any], accessible: Callable[[Any], None], scheme: str, forced: str
) -> None:
    page = stage(color_scheme=scheme, forced_colors=forced)
    digits = [prediction(str(n), 0.44, 95 * n, 430, 95 * n + 60, 490) for n in range(10)]
    show(page, OD.name, detection(*FOUR, *digits))
    expect(page.locator(".view-tag:visible")).to_have_count(14)
    accessible(page)
    page.get_by_role("button", name="dog").click()
    page.locator(".view-row").first.click()
    accessible(page)
    slide(page, 1)
    accessible(page)


def test_the_view_speaks_traditional_chinese_at_360_pixels(stage: Callable[..., Any]) -> None:
    page = stage(360, lang="zh-Hant")
    show(page, OD.name, detection(*FOUR))
    expect(page.get_by_role("heading", name="4 個物件")).to_be_visible()
    slide(page, 0.7)
    expect(page.get_by_role("slider")).to_have_attribute(
        "aria-valuetext", "至少 70%：顯示 2 個，共 4 個物件"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
