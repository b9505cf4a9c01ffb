"""Taking photos off the history page: from the server, from the list, and what went by itself."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.seeding import IC, OD, Open, card, names, open_list, sent, stored_entries
from support.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_one_photo_is_deleted_after_asking_once(open_page: Open, live: Live) -> None:
    entries = [sent(live, IC, f"{n}.png", days_ago=n / 100) for n in range(3)]
    page = open_list(open_page, *entries)
    folder = live.sessions / entries[1]["task"]
    page.get_by_role("button", name="Delete 1.png").click()
    dialog = page.get_by_role("dialog", name="Delete 1.png?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".photo")).to_have_count(3)
    assert folder.is_dir()
    page.get_by_role("button", name="Delete 1.png").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator(".photo")).to_have_count(2)
    expect(page.locator("#said")).to_have_text("1 photo deleted.")
    assert not folder.exists()
    assert names(page) == ["0.png", "2.png"]
    page.reload()
    expect(page.locator(".photo")).to_have_count(2)


def test_what_is_selected_or_found_is_deleted_together(open_page: Open, live: Live) -> None:
    entries = [sent(live, IC, f"{n}.png", days_ago=n / 100) for n in range(4)]
    page = open_list(open_page, *entries)
    card(page, "0.png").get_by_role("checkbox").check()
    card(page, "3.png").get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete 2", exact=True).click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("#said")).to_have_text("2 photos deleted.")
    expect(page.locator(".photo")).to_have_count(2)
    assert names(page) == ["1.png", "2.png"]
    page.get_by_label("Search names and labels").fill("2")
    page.get_by_role("button", name="Delete 1", exact=True).click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No photo matches")).to_be_visible()
    left = [(live.sessions / entry["task"]).exists() for entry in entries]
    assert left == [False, True, False, False]


def test_all_are_deleted(open_page: Open, live: Live) -> None:
    entries = [sent(live, IC, f"{n}.png") for n in range(6)]
    page = open_list(open_page, *entries)
    page.get_by_role("button", name="Delete 6", exact=True).click()
    expect(page.get_by_role("dialog", name="Delete 6 photos?")).to_be_visible()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("#nothing")).to_be_visible()
    assert not any((live.sessions / entry["task"]).exists() for entry in entries)
    assert stored_entries(page) == []


def test_taken_off_the_list_it_stays_on_the_server(open_page: Open, live: Live) -> None:
    entry = sent(live, IC, "stays.png")
    page = open_list(open_page, entry)
    page.get_by_role("button", name="Delete stays.png").click()
    page.get_by_role("button", name="Remove from this list only").click()
    expect(page.locator("#nothing")).to_be_visible()
    assert (live.sessions / entry["task"]).is_dir()
    assert stored_entries(page) == []


def test_the_open_photo_can_be_deleted(open_page: Open, live: Live) -> None:
    entries = [sent(live, OD, "a.png"), sent(live, OD, "b.png", days_ago=1)]
    page = open_list(open_page, *entries)
    card(page, "a.png").locator(".name").click()
    expect(page.locator("#opened .view-photo")).to_have_js_property("naturalWidth", 200)
    page.locator("#opened-delete").click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert not (live.sessions / entries[0]["task"]).exists()
    expect(card(page, "b.png").locator(".name")).to_be_focused()


def test_a_photo_in_hand_stays_and_one_that_failed_too(
    open_page: Open, live: Live, watch: Any
) -> None:
    watch.allow += ["409", "500"]
    entries = [sent(live, IC, "busy.png"), sent(live, IC, "sick.png", days_ago=0.01)]
    page = open_list(open_page, *entries)

    def refuse(route: Any) -> None:
        busy = entries[0]["task"] in route.request.url
        if route.request.method == "DELETE":
            route.fulfill(status=409 if busy else 500, json={"status": "error"})
        else:
            route.continue_()

    page.route(f"**{IC.result}?*", refuse)
    page.get_by_role("button", name="Delete 2", exact=True).click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    message = page.locator("#said")
    expect(message).to_contain_text("1 photo is being recognised right now and was not deleted.")
    expect(message).to_contain_text("1 photo could not be deleted.")
    assert names(page) == ["busy.png", "sick.png"]
    assert len(stored_entries(page)) == 2


def test_what_the_server_removed_is_marked_and_shows_what_was_kept(
    open_page: Open, live: Live, watch: Any
) -> None:
    watch.allow.append("404")
    entry = sent(live, IC, "old.png")
    page = open_list(open_page, entry)
    expect(page.locator(".verdict")).to_contain_text("3, ")
    shutil.rmtree(live.sessions / entry["task"])
    page.reload()
    expect(page.locator(".photo")).to_contain_text("No longer on the server")
    expect(page.locator(".verdict")).to_contain_text("3, ")
    page.locator(".photo .name").click()
    dialog = page.get_by_role("dialog", name="old.png")
    expect(dialog).to_contain_text("No longer on the server")
    expect(dialog).to_contain_text("3, ")
    expect(dialog.get_by_role("link", name="Full page")).to_be_hidden()
    page.locator("#opened-delete").click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("#nothing")).to_be_visible()


def test_deleting_what_is_gone_already_is_no_error(open_page: Open, live: Live, watch: Any) -> None:
    watch.allow.append("404")
    entry = sent(live, IC, "old.png")
    page = open_list(open_page, entry)
    expect(page.locator(".verdict")).to_contain_text("3, ")
    shutil.rmtree(live.sessions / entry["task"])
    page.locator("#delete").click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("#nothing")).to_be_visible()


def test_a_photo_deleted_in_another_tab_goes_here_too(open_page: Open, live: Live) -> None:
    page = open_list(open_page, sent(live, IC, "a.png"), sent(live, IC, "b.png", days_ago=1))
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".photo")).to_have_count(2)
    other.get_by_role("button", name="Delete a.png").click()
    other.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator(".photo")).to_have_count(1)
    assert names(page) == ["b.png"]


def test_the_keyboard_does_it_all(open_page: Open, live: Live) -> None:
    entries = [sent(live, IC, f"{n}.png", days_ago=n / 100) for n in range(2)]
    page = open_list(open_page, *entries)
    page.get_by_label("Search names and labels").focus()
    page.keyboard.type("png")
    focused = page.locator(":focus")

    def tab_to(selector: str) -> None:
        for _ in range(30):
            if focused.count() and focused.evaluate(f"node => node.matches({selector!r})"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no way to {selector}")

    tab_to(".photo input")
    page.keyboard.press("Space")
    expect(page.locator("#count")).to_have_text("1 of 2 photos selected")
    page.keyboard.press("Space")
    tab_to(".name")
    page.keyboard.press("Enter")
    expect(page.locator("#opened .view-photo")).to_have_js_property("naturalWidth", 200)
    page.keyboard.press("Escape")
    expect(card(page, "0.png").locator(".name")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete 0.png?")).to_be_visible()
    tab_to("[value=delete]")
    page.keyboard.press("Enter")
    expect(page.locator(".photo")).to_have_count(1)
    # The bin of the next photo, so that one can go on.
    expect(page.get_by_role("button", name="Delete 1.png")).to_be_focused()
    assert not (live.sessions / entries[0]["task"]).exists()
