"""A result on paper: the photo, its boxes and all that was found, and nothing to press."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.homely import CLASSIFY, DETECT, TWO_DIGITS, card, photo_view, recognise, upload

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_result_is_printed_without_what_is_pressed(page: Any) -> None:
    recognise(page, DETECT, upload("two.png", TWO_DIGITS))
    view = photo_view(page, DETECT)
    expect(view.locator(".view-row")).to_have_count(2)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    for paper in (".view-photo", ".view-boxes", ".view-row >> nth=1", ".view-chip >> nth=1"):
        expect(view.locator(paper)).to_be_visible()
    for screen in (".menu", DETECT, ".tray", ".view-bar-of-tools", ".view-saves", "[type=range]"):
        expect(page.locator(screen).first).to_be_hidden()
    expect(card(page, CLASSIFY)).to_be_hidden()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 700


def test_tags_stay_with_their_boxes_on_a_page_of_another_width(page: Any) -> None:
    recognise(page, DETECT, upload("two.png", TWO_DIGITS))
    view = photo_view(page, DETECT)
    expect(view.locator(".view-tag:visible")).to_have_count(2)
    # Paper comes without the events of a window that changes.
    page.evaluate("() => { ResizeObserver.prototype.observe = () => {}; }")
    page.emulate_media(media="print")
    for n in range(2):
        tag = view.locator(".view-tag").nth(n).bounding_box()
        box = view.locator(".view-line").nth(n).bounding_box()
        assert abs(tag["x"] - box["x"]) < 4
