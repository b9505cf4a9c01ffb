"""Every page, as people with other eyes, hands and languages meet it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from scai.web.page import MENU

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAGES = {
    "pages.home": "/",
    "batches.page": "/batch",
    "history.page": "/history",
    "models.page": "/models",
    "status.page": "/status",
    "docs.page": "/docs",
}


def test_every_page_of_the_menu_is_looked_at() -> None:
    assert set(PAGES) == {endpoint for endpoint, _ in MENU}


@pytest.mark.parametrize("path", PAGES.values())
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], path: str, scheme: str
) -> None:
    accessible(open_page(path, color_scheme=scheme))


@pytest.mark.parametrize("path", PAGES.values())
@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
def test_nothing_sticks_out_at_360_pixels(
    open_page: Callable[..., Any], path: str, lang: str
) -> None:
    page = open_page(f"{path}?lang={lang}", viewport={"width": 360, "height": 740})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", PAGES.values())
def test_the_page_speaks_traditional_chinese(open_page: Callable[..., Any], path: str) -> None:
    page = open_page(path, locale="zh-TW")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")
    expect(page.locator(".menu a").first).to_have_text("辨識")
    page.locator(".languages a", has_text="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
