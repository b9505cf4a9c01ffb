"""The history page: search, reopen, export, and how other people meet it."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.browser.seeding import (
    DAY_MS,
    IC,
    OD,
    STORE,
    Open,
    add,
    card,
    colour,
    digit,
    names,
    open_list,
    sent,
    stored_entries,
)
from support.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HOSTILE = '<img src=x onerror="window.hurt=1">"\'&amp;.jpg'


def local_day(moment_ms: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment_ms / 1000))


def test_an_empty_list_says_what_will_be_here_and_where_to_go(
    open_page: Open, live: Live, accessible: Callable[[Any], None]
) -> None:
    page = open_page("/history")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    expect(page.locator("#filled")).to_be_hidden()
    accessible(page)
    page.get_by_role("link", name="Recognise a photo").click()
    expect(page).to_have_url(live.url + "/")


def test_a_photo_gets_its_verdict_on_the_open_page(open_page: Open, live: Live) -> None:
    page = open_page("/history")
    expect(page.locator("#nothing")).to_be_visible()
    add(page, sent(live, IC, "three.png", done=False), sent(live, OD, "where.png", done=False))
    expect(page.locator("#count")).to_have_text("2 photos")
    expect(card(page, "three.png").locator(".verdict")).to_contain_text("3, ")
    expect(card(page, "where.png").locator(".verdict")).to_contain_text("object")
    expect(card(page, "three.png").locator(".meta")).to_contain_text("digits")
    page.reload()
    expect(card(page, "three.png").locator(".verdict")).to_contain_text("3, ")
    assert {each["state"] for each in stored_entries(page)} == {"complete"}


def test_a_verdict_that_comes_later_is_followed(open_page: Open, live: Live) -> None:
    entry = sent(live, IC, "slow.png")
    page = open_page("/history")
    answers = iter(["initialization"])

    def late(route: Any) -> None:
        state = next(answers, None)
        if state and "wait=" not in route.request.url:
            route.fulfill(json={"state": state, "job": IC.name, "message": "", "result": ""})
        else:
            route.continue_()

    page.route(f"**{IC.result}?*", late)
    add(page, entry)
    expect(card(page, "slow.png").locator(".verdict")).to_contain_text("3, ")


def test_an_open_photo_shows_its_verdict_when_it_comes(open_page: Open, live: Live) -> None:
    entry = sent(live, IC, "slow.png")
    page = open_page("/history")
    waits = {"state": "initialization", "job": IC.name, "message": "", "result": ""}
    held = [True]
    page.route(
        f"**{IC.result}?*",
        lambda route: route.fulfill(json=waits) if held[0] else route.continue_(),
    )
    add(page, entry)
    expect(card(page, "slow.png").locator(".verdict")).to_have_text("Waiting in the queue")
    card(page, "slow.png").locator(".name").click()
    expect(page.locator("#opened-body")).to_contain_text(
        "The result will appear here automatically."
    )
    held[0] = False
    expect(page.locator("#opened .view")).to_contain_text("digits")
    expect(card(page, "slow.png").locator(".verdict")).to_contain_text("3, ")


def test_a_failure_is_told(open_page: Open, live: Live) -> None:
    page = open_page("/history")
    failure = {"state": "failure", "job": IC.name, "error": "<b>cut off</b>", "code": "bad_image"}
    page.route(f"**{IC.result}?*", lambda route: route.fulfill(json=failure))
    add(page, sent(live, IC, "broken.png"))
    expect(card(page, "broken.png").locator(".verdict")).to_have_text("Failed")
    card(page, "broken.png").locator(".name").click()
    expect(page.locator("#opened-body")).to_contain_text("This picture could not be read.")
    expect(page.locator("#opened-body")).to_contain_text("<b>cut off</b>")


def test_search_finds_names_and_labels(open_page: Open, live: Live) -> None:
    entries = [
        sent(live, IC, "Cat one.png"),
        sent(live, OD, "dog.png", days_ago=1),
        sent(live, IC, "cat two.png", days_ago=2, data=digit("7")),
    ]
    page = open_list(open_page, *entries)
    expect(card(page, "cat two.png").locator(".verdict")).to_contain_text("7, ")
    expect(page.locator(".day h2")).to_contain_text(["Today", "Yesterday"])
    search = page.get_by_label("Search names and labels")
    search.fill("CAT")
    expect(page.locator("#count")).to_have_text("2 of 3 photos shown")
    assert names(page) == ["Cat one.png", "cat two.png"]
    search.fill("cat two")
    expect(page.locator(".photo")).to_have_count(1)
    search.fill("7")
    expect(page.locator(".photo")).to_have_count(1)
    assert names(page) == ["cat two.png"]
    page.reload()
    expect(search).to_have_value("7")
    expect(page.locator("#count")).to_have_text("1 of 3 photos shown")
    search.fill("nothing of that")
    expect(page.get_by_role("heading", name="No photo matches")).to_be_visible()
    expect(page.locator("#delete")).to_be_disabled()
    page.get_by_role("button", name="Show all photos").click()
    expect(page.locator("#count")).to_have_text("3 photos")
    expect(search).to_be_focused()


def test_kind_and_days_narrow_the_list(open_page: Open, live: Live) -> None:
    entries = [
        sent(live, IC, "today.png"),
        sent(live, OD, "detected.png"),
        sent(live, IC, "early.png", days_ago=3),
    ]
    page = open_list(open_page, *entries)
    page.get_by_role("combobox", name="Type").select_option("object_detection")
    expect(page.locator(".photo")).to_have_count(1)
    assert names(page) == ["detected.png"]
    page.get_by_role("combobox", name="Type").select_option("")
    page.get_by_label("From", exact=True).fill(local_day(entries[0]["time"] - DAY_MS))
    expect(page.locator(".photo")).to_have_count(2)
    page.get_by_label("From", exact=True).fill("")
    page.get_by_label("To", exact=True).fill(local_day(entries[2]["time"]))
    expect(page.locator(".photo")).to_have_count(1)
    assert names(page) == ["early.png"]
    page.get_by_role("button", name="Show all", exact=True).click()
    expect(page.locator(".photo")).to_have_count(3)


def test_a_photo_is_reopened_in_place(
    open_page: Open, live: Live, accessible: Callable[[Any], None]
) -> None:
    page = open_list(open_page, sent(live, IC, "a.png"), sent(live, OD, "b.png", days_ago=1))
    opener = card(page, "a.png").locator(".name")
    opener.click()
    dialog = page.get_by_role("dialog", name="a.png")
    expect(dialog.locator(".view")).to_be_visible()
    expect(dialog).to_contain_text("digits")
    accessible(page)
    entry = stored_entries(page)[0]
    link = dialog.get_by_role("link", name="Full page")
    expect(link).to_have_attribute("href", f"/photo?task={entry['task']}&key={entry['key']}")
    expect(dialog.get_by_role("button", name="Newer")).to_be_disabled()
    dialog.get_by_role("button", name="Older").click()
    dialog = page.get_by_role("dialog", name="b.png")
    expect(dialog.locator(".view-box").first).to_be_attached()
    expect(dialog.get_by_role("button", name="Older")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(opener).to_be_focused()


def exported(page: Any, press: Callable[[], None]) -> tuple[list[str], list[dict[str, str]], Any]:
    """The names in the ZIP that `press` downloads, the rows of its summary, and the ZIP."""
    with page.expect_download() as download:
        press()
    assert download.value.suggested_filename.startswith("scai-history-")
    zipped = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert zipped.testzip() is None
    text = zipped.read("scai-history/summary.csv").decode("utf-8-sig")
    return zipped.namelist(), list(csv.DictReader(io.StringIO(text, newline=""))), zipped


def test_all_are_exported_as_one_zip(open_page: Open, live: Live) -> None:
    gone = sent(live, IC, "=gone.png", days_ago=2)
    entries = [sent(live, IC, "a.png"), sent(live, OD, HOSTILE, days_ago=1), gone]
    for file in (live.sessions / gone["task"]).iterdir():
        file.unlink()
    (live.sessions / gone["task"]).rmdir()
    page = open_page("/history")
    page.route(f"**{IC.result}?*", lambda route: route.fulfill(json={"state": "complete"}))
    add(page, *entries)
    expect(page.locator(".photo")).to_have_count(3)
    found, rows, zipped = exported(page, page.locator("#export button").click)
    assert [row["state"] for row in rows] == ["complete", "complete", "gone"]
    assert [row["name"] for row in rows] == ["a.png", HOSTILE, "'=gone.png"]
    assert rows[0]["label"] == "3"
    top = "scai-history/"
    assert zipped.read(top + rows[0]["photo"]) == digit()
    assert zipped.read(top + rows[1]["annotated"]).startswith(b"\x89PNG")
    assert json.loads(zipped.read(top + rows[1]["result"]))["job"] == OD.name
    assert len(found) == 6 and all("/0001-a." in n or "/0002-" in n for n in found[:-1])
    expect(page.locator("#said")).to_contain_text("Downloading a ZIP of 3 photos.")


def test_what_is_selected_is_exported_alone(open_page: Open, live: Live) -> None:
    page = open_list(open_page, *(sent(live, IC, f"{n}.png", days_ago=n) for n in range(3)))
    card(page, "1.png").get_by_role("checkbox").check()
    expect(page.locator("#count")).to_have_text("1 of 3 photos selected")
    _, rows, _ = exported(page, page.get_by_role("button", name="Export 1 as ZIP").click)
    assert [row["name"] for row in rows] == ["1.png"]
    page.get_by_label("Select all visible photos").check()
    expect(page.locator("#count")).to_have_text("3 of 3 photos selected")


def test_a_refused_export_says_what_to_do_and_loses_nothing(
    open_page: Open, live: Live, watch: Any
) -> None:
    watch.allow.append("400")
    page = open_list(open_page, sent(live))
    page.context.clear_cookies()
    page.locator("#export button").click()
    expect(page.get_by_role("alert")).to_contain_text("Reload this page and try again.")
    expect(page.locator(".photo")).to_have_count(1)
    exported(page, page.locator("#export button").click)


def test_hostile_names_and_labels_are_text(open_page: Open, live: Live) -> None:
    page = open_page("/history")
    answer = {"state": "complete", "predictions": [{"label": HOSTILE, "index": 0, "score": 0.9}]}
    page.route(f"**{IC.result}?*", lambda route: route.fulfill(json={**answer, "model": HOSTILE}))
    add(page, {**sent(live), "name": HOSTILE})
    expect(page.locator(".photo .name")).to_have_text(HOSTILE)
    expect(page.locator(".photo .verdict")).to_contain_text(HOSTILE)
    page.locator(".photo .name").click()
    expect(page.locator("#opened .view")).to_contain_text(HOSTILE)
    page.locator("#opened-delete").click()
    expect(page.locator("#ask-title")).to_contain_text(HOSTILE)
    assert page.evaluate("() => window.hurt") is None


def test_a_photo_sent_in_another_tab_appears(open_page: Open, live: Live) -> None:
    page = open_list(open_page, sent(live, IC, "first.png", days_ago=1))
    other = page.context.new_page()
    other.goto(live.url)
    add(other, sent(live, IC, "second.png"))
    expect(page.locator(".photo")).to_have_count(2)
    assert names(page) == ["second.png", "first.png"]
    expect(card(page, "second.png").locator(".verdict")).to_contain_text("3, ")
    other.evaluate(f"async () => (await {STORE}).clear()")
    expect(page.locator("#nothing")).to_be_visible()


def test_a_server_out_of_reach_is_told_and_the_list_stays(
    open_page: Open, live: Live, watch: Any
) -> None:
    watch.allow.append("ERR_FAILED")
    page = open_page("/history")
    results, server, held = f"**{IC.result}?*", ["away"], []

    def answer(route: Any) -> None:
        if server == ["away"]:
            route.abort()
        elif server == ["slow"]:
            held.append(route)
        else:
            route.continue_()

    page.route(results, answer)
    add(page, sent(live, IC, "a.png"))
    expect(page.locator("#unreached")).to_contain_text("The server does not respond.")
    card(page, "a.png").locator(".name").click()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    # The list asks again by itself, too: an answer to it would take the button away.
    server[:] = ["slow"]
    with page.expect_request(results):
        again.click()
    server[:] = ["there"]
    for route in held:
        route.continue_()
    expect(page.locator("#opened .view")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card(page, "a.png").locator(".verdict")).to_contain_text("3, ")
    expect(page.locator("#unreached")).to_have_count(0)


def test_a_thousand_photos_are_shown_in_parts_and_searched_whole(
    open_page: Open, live: Live
) -> None:
    page = open_page("/history")
    page.route("**/*res?*", lambda route: route.fulfill(json={"state": "complete"}))
    first = sent(live, IC, "photo 0.png")
    page.evaluate(
        f"""async (entry) => {{
          const {{ add }} = await {STORE};
          await Promise.all(Array.from({{ length: 1000 }}, (_, n) => add({{ ...entry,
            task: `d-20261121-${{String(n).padStart(40, "0")}}`, name: `photo ${{n}}.png`,
            time: entry.time - n * 1000, state: "complete" }})));
        }}""",
        first,
    )
    expect(page.locator("#count")).to_have_text("1,000 photos")
    expect(page.locator(".photo")).to_have_count(120)
    page.get_by_role("button", name="Show more (880 left)").click()
    expect(page.locator(".photo")).to_have_count(240)
    expect(card(page, "photo 120.png").locator(".name")).to_be_focused()
    page.get_by_label("Search names and labels").fill("photo 999")
    expect(page.locator(".photo")).to_have_count(1)
    expect(page.get_by_role("button", name="Delete 1", exact=True)).to_be_enabled()


@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
def test_a_full_list_fits_into_360_pixels(
    open_page: Open, live: Live, accessible: Callable[[Any], None], lang: str
) -> None:
    entries = [sent(live, OD, "word" * 50 + ".png"), sent(live, IC, "b.png", colour((9, 9, 9)))]
    page = open_page(f"/history?lang={lang}", viewport={"width": 360, "height": 740})
    add(page, *entries)
    expect(page.locator(".photo")).to_have_count(2)
    expect(page.locator(".verdict.pending")).to_have_count(0)
    wide = "() => document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 360
    expect(page.locator("[name=from]")).to_be_hidden()
    page.locator("#narrow").click()
    expect(page.locator("[name=from]")).to_be_visible()
    assert page.evaluate(wide) <= 360
    accessible(page)
    page.locator(".photo .name").first.click()
    expect(page.locator("#opened .view")).to_be_visible()
    assert page.evaluate("() => document.getElementById('opened-body').scrollWidth") <= 360
    page.locator("#opened-delete").click()
    expect(page.locator("#ask")).to_be_visible()
    assert page.evaluate("() => document.getElementById('ask').scrollWidth") <= 360
    accessible(page)


def test_it_speaks_traditional_chinese(open_page: Open, live: Live) -> None:
    page = open_page("/history", locale="zh-TW")
    expect(page.get_by_role("heading", name="還沒有任何紀錄")).to_be_visible()
    add(page, sent(live, IC, "貓.png"))
    expect(page.locator("#count")).to_have_text("1 張照片")
    expect(page.locator(".day h2")).to_contain_text("今天")
    page.get_by_label("搜尋檔名與標籤").fill("貓")
    expect(page.locator("#count")).to_have_text("顯示 1 張，共 1 張照片")
    page.get_by_role("button", name="刪除 貓.png").click()
    expect(page.get_by_role("dialog", name="要刪除 貓.png 嗎？")).to_be_visible()


def test_without_scripts_it_says_so_and_opens_one_photo(open_page: Open, live: Live) -> None:
    entry = sent(live, IC, "plain.png")
    page = open_page("/history", java_script_enabled=False)
    expect(page.get_by_role("heading", name="This list needs JavaScript")).to_be_visible()
    expect(page.locator("#history")).to_be_hidden()
    page.get_by_label("Task").fill(entry["task"])
    page.get_by_label("Key").fill(entry["key"])
    page.get_by_role("button", name="Open the photo").click()
    expect(page.locator("main")).to_contain_text("plain.png")
