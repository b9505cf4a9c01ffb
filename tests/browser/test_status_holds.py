"""Photos on hold, on the status page of a real server, as its operator sees them there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from support.live import IC, Live, digit

from scai.errors import WorkerDied
from scai.storage.session import Session, Upload

pytestmark = [pytest.mark.slow, pytest.mark.browser]

REASON = "the worker died 3 times while it was running this job"


@pytest.fixture
def held(live: Live) -> Iterator[Session]:
    """A photo that was given up, on hold."""
    upload = Upload(digit("3"), ".png", "three.png")
    session = Session.create(live.sessions, IC.name, upload)
    session.fail(WorkerDied(REASON))
    hold = live.pools[IC.name] / ".hold" / session.name
    hold.write_text(REASON)
    yield session
    hold.unlink(missing_ok=True)


def deed(page: Any, session: Session, name: str) -> Any:
    return page.get_by_role("link", name=f"{name} {session.name}")


def test_a_photo_is_released_with_the_keyboard_and_gets_its_result(
    open_page: Callable[..., Any], live: Live, held: Session
) -> None:
    page = open_page("/status")
    link = deed(page, held, "Release")
    expect(link).to_be_visible()
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Release this photo?")
    expect(page.locator("main")).to_contain_text(REASON)
    expect(page.locator("main")).to_contain_text("three.png")
    page.get_by_role("button", name="Release").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("The photo waits again")
    answer = {"sessname": held.name, "sesskey": str(held.record()["key"])}
    assert live.result(IC.result, answer)["state"] == "complete"
    page.get_by_role("link", name="Back to the status").click()
    expect(page.locator("#held-title")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(held.name)


def test_a_photo_is_dropped_without_scripts_after_a_question(
    open_page: Callable[..., Any], held: Session
) -> None:
    page = open_page("/status", java_script_enabled=False)
    deed(page, held, "Drop").click()
    expect(page.locator("h1")).to_have_text("Drop this photo?")
    assert held.path.exists()
    page.get_by_role("button", name="Drop").click()
    expect(page.locator("h1")).to_have_text("The photo was dropped")
    assert not held.path.exists()


def test_the_list_follows_what_happens_without_a_reload(
    open_page: Callable[..., Any], live: Live, held: Session
) -> None:
    page = open_page("/status")
    expect(deed(page, held, "Release")).to_be_visible()
    os.unlink(live.pools[IC.name] / ".hold" / held.name)
    expect(deed(page, held, "Release")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_pages_are_accessible_and_fit_a_phone(
    open_page: Callable[..., Any], accessible: Callable[[Any], None], held: Session, scheme: str
) -> None:
    for path in ("/status", f"/status/hold?task={held.name}"):
        page = open_page(path, viewport={"width": 360, "height": 740}, color_scheme=scheme)
        expect(page.locator("main")).to_contain_text(held.name)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
        accessible(page)


def test_both_pages_speak_traditional_chinese(open_page: Callable[..., Any], held: Session) -> None:
    page = open_page("/status", locale="zh-TW")
    page.get_by_role("link", name=re.compile(f"^放行 {held.name}")).click()
    expect(page.locator("h1")).to_have_text("要放行這張照片嗎？")
    expect(page.get_by_role("button", name="放行")).to_be_visible()


def test_behind_a_proxy_nobody_sees_or_does_it(
    open_page: Callable[..., Any], held: Session, watch: Any
) -> None:
    watch.allow.append("the server responded with a status of 403")
    page = open_page("/status", extra_http_headers={"X-Forwarded-For": "10.1.1.1"})
    expect(page.locator("#held-title")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(held.name)
    page.goto(page.url.replace("/status", f"/status/hold?task={held.name}"))
    expect(page.locator("h1")).to_have_text("Only on the server's own machine")
    expect(page.get_by_role("button")).to_have_count(0)
