"""Two hundred photos at once on the home page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.homely import CLASSIFY, THREE, card, choose, photo_view, rows, submit, upload

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MANY = 200
# Counts the uploads under way, and keeps the most there ever were.
COUNT_UPLOADS = """() => {
  window.most = 0;
  let now = 0;
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...values) {
    window.most = Math.max(window.most, ++now);
    this.addEventListener("loadend", () => now--);
    return send.apply(this, values);
  };
}"""
# Asks for the small pictures of five photos, and then for that of the last one first.
ASK_FOR_FIVE = """async (photo) => {
  const { thumbFirst, thumbOf } = await import("/static/js/shared/thumb.js");
  const files = [0, 1, 2, 3, 4].map((n) => new File([new Uint8Array(photo)], `${n}.png`));
  const made = [];
  const all = files.map((file) => thumbOf(file).then(({ type }) => made.push([file.name, type])));
  thumbFirst(files[4]);
  await Promise.all(all);
  return made;
}"""


def test_the_small_picture_that_is_looked_at_is_made_before_the_others(page: Any) -> None:
    made = page.evaluate(ASK_FOR_FIVE, list(THREE))
    assert made == [[f"{n}.png", "image/jpeg"] for n in (0, 4, 1, 2, 3)]


def test_two_hundred_photos_all_get_their_verdict(page: Any) -> None:
    page.evaluate(COUNT_UPLOADS)
    choose(page, CLASSIFY, *[upload(f"photo-{n}.png", THREE) for n in range(MANY)])
    expect(page.locator("#icupload")).to_have_text(f"Classify {MANY} photos")
    submit(page, CLASSIFY)
    # While they are on their way the page answers: another photo can be looked at.
    rows(page, CLASSIFY).nth(2).locator(".tray-row").click()
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text("photo-2.png")
    total = card(page, CLASSIFY).locator(".total")
    expect(total).to_have_attribute("aria-valuemax", str(MANY))
    expect(rows(page, CLASSIFY, "done")).to_have_count(MANY, timeout=150_000)
    expect(card(page, CLASSIFY).locator(".tally")).to_have_text(f"{MANY} photos recognised")
    expect(total).to_be_hidden()
    assert 1 < page.evaluate("window.most") <= 4
    # Thumbnails are for rows that were seen; the others cost nothing yet.
    row = rows(page, CLASSIFY)
    pictured = (
        "rows => rows.filter((row) => row.querySelector('.thumb').style.backgroundImage).length"
    )
    assert 0 < row.evaluate_all(pictured) < MANY
    row.last.scroll_into_view_if_needed()
    row.last.locator(".tray-row").click()
    expect(photo_view(page, CLASSIFY).locator(".shown-name")).to_have_text(f"photo-{MANY - 1}.png")
    expect(row.last.locator(".thumb")).to_have_attribute("style", re.compile("blob:"))
