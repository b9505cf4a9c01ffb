"""The page of a photo, the plain form without scripts, and how scripts follow many photos.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from live import IC, OD, Live, digit, kill
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]

VERDICT_MS = 60_000  # a worker may still be loading its model
PERCENT = re.compile(r"\d{1,3}\.\d%")
# Follows what it is given and keeps in window.news what it is told: task -> list of words.
FOLLOW = """async (given) => {
  const { follow } = await import("/static/js/follow.js");
  window.news ??= {};
  window.settled ??= 0;
  window.stops ??= {};
  for (const one of given) {
    const told = (window.news[one.task] ??= []);
    const stop = (window.stops[one.task] = new AbortController());
    follow(one, {
      signal: stop.signal,
      onState: (state, place) => told.push(`${state} ${place}`),
      onTrouble: () => told.push("trouble"),
    }).then(
      (answer) => told.push(`answer ${answer.state} ${answer.predictions[0]?.label}`),
      (error) => told.push(`no ${error instanceof DOMException ? error.name : error.code}`),
    ).finally(() => (window.settled += 1));
  }
}"""


@pytest.fixture(scope="module")
def scriptless(launch: Callable[..., Any]) -> Iterator[Any]:
    """A browser that runs no scripts and therefore shows what stands in <noscript>."""
    browser = launch("--blink-settings=scriptEnabled=false")
    yield browser
    browser.close()


@pytest.fixture
def open_plain(scriptless: Any, opener: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """As `open_page`, in the browser without scripts."""
    return opener(scriptless)


def address(*answers: dict[str, Any]) -> str:
    """The page of these photos."""
    pairs = [(("task", one["sessname"]), ("key", one["sesskey"])) for one in answers]
    return f"/photo?{urlencode([part for pair in pairs for part in pair])}"


def given(kind: str, *answers: dict[str, Any]) -> list[dict[str, str]]:
    return [{"kind": kind, "task": one["sessname"], "key": one["sesskey"]} for one in answers]


def settled(page: Any, count: int) -> dict[str, list[str]]:
    """What was told once `count` photos came to their end."""
    page.wait_for_function(f"() => window.settled >= {count}", timeout=VERDICT_MS)
    return dict(page.evaluate("() => window.news"))


@pytest.fixture
def asleep(live: Any) -> Iterator[None]:
    """The workers of classification do nothing, and nothing waits for them yet."""
    live.wait_idle()
    pids = live.pids("workers.image_classification")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    wake(live)


def wake(live: Any) -> None:
    for pid in live.pids("workers.image_classification"):
        os.kill(pid, signal.SIGCONT)


def post_form(page: Any, kind: str, *names: str) -> None:
    """Send the plain form of the home page."""
    form = page.locator(f"form:has(input[name=kind][value={kind}])")
    files = [{"name": name, "mimeType": "image/png", "buffer": digit("3")} for name in names]
    form.locator("input[type=file][name=photo]").set_input_files(files)
    form.locator("button[type=submit]").click()


def test_without_scripts_the_form_leads_through_waiting_to_the_result(
    open_plain: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_plain()
    post_form(page, IC.kind, "three.png")
    page.wait_for_url("**/photo?task=*&key=*")
    expect(page.locator("h1")).to_have_text("three.png")
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    expect(page.get_by_text("This photo is next.")).to_be_visible()
    expect(page.get_by_role("link", name="Look again now")).to_be_visible()
    wake(live)
    # The page looks again by itself.
    expect(page.get_by_role("heading", name="Most likely")).to_be_visible(timeout=VERDICT_MS)
    bars = page.locator(".gauges li")
    expect(bars).not_to_have_count(0)
    assert PERCENT.fullmatch(bars.first.locator(".percent").inner_text())
    widths = [float(bar.get_attribute("width") or 0) for bar in page.locator(".gauge-fill").all()]
    assert widths == sorted(widths, reverse=True)
    assert bars.first.locator(".gauge").bounding_box()["width"] > 100
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the data (JSON)").click()
    assert b'"complete"' in Path(download.value.path()).read_bytes()


def test_without_scripts_a_detection_shows_its_boxes_and_the_drawn_picture(
    open_plain: Callable[..., Any],
) -> None:
    page = open_plain(viewport={"width": 360, "height": 740})
    post_form(page, OD.kind, "three.png")
    expect(page.locator("#view tbody tr")).not_to_have_count(0, timeout=VERDICT_MS)
    picture = page.locator("#view img")
    expect(picture).to_have_attribute("alt", re.compile("Your photo with [0-9]+ box"))
    expect(page.get_by_role("link", name="Save the picture (PNG)")).to_be_visible()
    assert picture.bounding_box()["width"] <= 360


def test_without_scripts_several_photos_get_a_list(
    open_plain: Callable[..., Any], live: Any
) -> None:
    page = open_plain()
    post_form(page, IC.kind, "one.png", "two.png")
    rows = page.locator(".photo-list li")
    expect(rows).to_have_count(2)
    expect(rows.locator(".badge")).to_have_text(["Done", "Done"], timeout=VERDICT_MS)
    rows.get_by_role("link", name="two.png").click()
    expect(page.locator("h1")).to_have_text("two.png")


def test_without_scripts_a_refusal_leads_back_to_the_form(
    open_plain: Callable[..., Any], watch: Any
) -> None:
    watch.allow.append("415")
    page = open_plain()
    form = page.locator(f"form:has(input[name=kind][value={IC.kind}])")
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    form.locator("input[type=file][name=photo]").set_input_files(notes)
    form.locator("button[type=submit]").click()
    expect(page.locator("h1")).to_have_text("Nothing was sent")
    expect(page.locator(".problem-title")).to_contain_text("not a picture")
    page.get_by_role("link", name="Back to the form").click()
    expect(page.locator("form").first).to_be_visible()


def test_without_scripts_a_photo_is_removed_by_keyboard(
    open_plain: Callable[..., Any], live: Any
) -> None:
    sent = live.post(IC.upload, digit("3"))
    live.result(IC.result, sent)
    live.wait_idle()  # a photo in the hand of its worker is not removed
    page = open_plain(address(sent))
    page.locator(".photo-remove summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove it for good")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("The photo was removed")
    assert live.result(IC.result, sent)["code"] == "not_found"


def test_a_page_that_is_loaded_again_while_it_waits_goes_on(
    open_page: Callable[..., Any], live: Any, asleep: None, accessible: Callable[[Any], None]
) -> None:
    sent = live.post(IC.upload, digit("3"), "three.png")
    page = open_page(address(sent), viewport={"width": 360, "height": 740})
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    page.reload()
    expect(page.get_by_text("This photo is next.")).to_be_visible()
    accessible(page)
    wake(live)
    expect(page.locator("#view .view")).to_be_visible(timeout=VERDICT_MS)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_list_of_several_photos_fills_by_itself(
    open_page: Callable[..., Any], live: Any, asleep: None, accessible: Callable[[Any], None]
) -> None:
    sent = [live.post(IC.upload, digit("3"), name) for name in ("one.png", "two.png")]
    page = open_page(address(*sent))
    badges = page.locator(".photo-list .badge")
    expect(badges).to_have_text(["Waiting", "Waiting"])
    accessible(page)
    wake(live)
    expect(badges).to_have_text(["Done", "Done"], timeout=VERDICT_MS)
    expect(page.locator(".photo-list p").first).to_have_text(PERCENT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_pages_of_photos(
    open_page: Callable[..., Any], live: Any, accessible: Callable[[Any], None], scheme: str
) -> None:
    for routes in (IC, OD):
        sent = live.post(routes.upload, digit("3"))
        live.result(routes.result, sent)
        accessible(open_page(address(sent), color_scheme=scheme))


def test_an_unknown_photo_is_told_in_words(
    open_page: Callable[..., Any], watch: Any, accessible: Callable[[Any], None]
) -> None:
    watch.allow.append("404")
    page = open_page("/photo?task=x&key=y", viewport={"width": 360, "height": 740})
    expect(page.locator("h1")).to_have_text("There is no photo at this address")
    accessible(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_many_photos_are_followed_over_one_stream_at_a_time(
    open_page: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_page()
    streams: list[str] = []
    polls: list[str] = []
    page.on("request", lambda r: streams.append(r.url) if "/events?" in r.url else None)
    page.on("request", lambda r: polls.append(r.url) if IC.result + "?" in r.url else None)
    sent = [live.post(IC.upload, digit(str(i % 10), 40), f"{i}.png") for i in range(120)]
    page.evaluate(FOLLOW, given(IC.kind, *sent))
    # The first one is told its place before anything runs.
    page.wait_for_function(
        "(task) => window.news[task].includes('initialization 0')", arg=sent[0]["sessname"]
    )
    wake(live)
    news = settled(page, 120)
    assert all(told[-1].startswith("answer complete") for told in news.values())
    assert len(news) == 120
    assert polls == []
    assert all(url.count("task=") <= 48 for url in streams)


def test_a_page_that_nobody_sees_keeps_no_stream_and_misses_nothing(
    open_page: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          window.streams = [];
          window.EventSource = class extends EventSource {
            constructor(url) {
              super(url);
              window.streams.push(this);
            }
          };
          window.show = (shown) => {
            Object.defineProperty(document, "hidden", { configurable: true, value: !shown });
            document.dispatchEvent(new Event("visibilitychange"));
          };
        }"""
    )
    streaming = "() => window.streams.filter((one) => one.readyState === 1).length === 1"
    at_rest = "() => window.streams.every((one) => one.readyState === 2)"
    sent = live.post(IC.upload, digit("3"))
    page.evaluate(FOLLOW, given(IC.kind, sent))
    page.wait_for_function(streaming)
    # Out of sight, the stream ends; in sight again, there is one.
    page.evaluate("() => window.show(false)")
    page.wait_for_function(at_rest)
    page.evaluate("() => window.show(true)")
    page.wait_for_function(streaming)
    # What happens while it is out of sight is seen by a look now and then.
    page.evaluate("() => window.show(false)")
    page.wait_for_function(at_rest)
    wake(live)
    assert settled(page, 1)[sent["sessname"]][-1].startswith("answer complete")


def test_photos_behind_many_that_stand_still_get_their_results(
    open_page: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_page()
    still = [live.post(IC.upload, digit("3", 40)) for _ in range(60)]
    moving = [live.post(OD.upload, digit("3")) for _ in range(3)]
    page.evaluate(FOLLOW, given(IC.kind, *still) + given(OD.kind, *moving))
    news = settled(page, 3)
    assert all(news[one["sessname"]][-1].startswith("answer complete") for one in moving)
    wake(live)
    news = settled(page, 63)
    assert all(told[-1].startswith("answer complete") for told in news.values())


def test_where_streams_are_refused_each_photo_is_asked_for(
    open_page: Callable[..., Any], live: Any, watch: Any, asleep: None
) -> None:
    watch.allow.append("503")
    page = open_page()
    page.route("**/events?*", lambda route: route.fulfill(status=503))
    sent = [live.post(IC.upload, digit("3")) for _ in range(8)]
    page.evaluate(FOLLOW, given(IC.kind, *sent))
    page.wait_for_function("() => Object.values(window.news).every((told) => told.length)")
    wake(live)
    news = settled(page, 8)
    assert all(told[-1].startswith("answer complete") for told in news.values())


def test_where_streams_say_nothing_each_photo_is_asked_for(
    open_page: Callable[..., Any], live: Any
) -> None:
    page = open_page()
    page.route("**/events?*", lambda route: None)  # as a proxy that keeps all to itself
    sent = live.post(IC.upload, digit("3"))
    page.evaluate(FOLLOW, given(IC.kind, sent))
    assert settled(page, 1)[sent["sessname"]][-1].startswith("answer complete")


def test_a_photo_that_is_removed_or_left_alone_troubles_no_other(
    open_page: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_page()
    stay, gone, left = (live.post(IC.upload, digit("3")) for _ in range(3))
    page.evaluate(FOLLOW, given(IC.kind, stay, gone, left))
    page.wait_for_function("() => Object.values(window.news).every((told) => told.length)")
    page.evaluate("(task) => window.stops[task].abort()", left["sessname"])
    removed = page.request.delete(
        f"{live.url}{IC.result}?task={gone['sessname']}&key={gone['sesskey']}"
    )
    assert removed.ok
    news = settled(page, 2)
    assert news[left["sessname"]][-1] == "no AbortError"
    assert news[gone["sessname"]][-1] == "no not_found"
    wake(live)
    assert settled(page, 3)[stay["sessname"]][-1].startswith("answer complete")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """Start an installation of this test's own; again on the same folders and the same port."""
    started: list[Live] = []

    def start(**environment: str) -> Live:
        port = ("--port", str(started[0].port)) if started else ()
        live = Live(tmp_path, *port, **environment)
        if started:
            live.port, live.url = started[0].port, started[0].url
        started.append(live)
        return live.wait_ready()

    yield start
    for live in started:
        if live.process.poll() is None:
            live.stop()


def test_a_restart_of_the_server_loses_no_answer(chromium: Any, own: Callable[..., Live]) -> None:
    live = own()
    page = chromium.new_page()
    page.goto(live.url)
    for pid in live.pids("workers.image_classification"):
        os.kill(pid, signal.SIGSTOP)
    sent = [live.post(IC.upload, digit(str(i), 40)) for i in range(10)]
    page.evaluate(FOLLOW, given(IC.kind, *sent))
    page.wait_for_function("() => Object.values(window.news).every((told) => told.length)")
    wake_and_stop(live)
    page.wait_for_function(
        "() => Object.values(window.news).some((told) => told.includes('trouble'))"
        " || window.settled === 10"
    )
    own()
    news = settled(page, 10)
    assert all(told[-1].startswith("answer complete") for told in news.values())
    page.close()


def wake_and_stop(live: Live) -> None:
    """End everything at once, as a power cut would, while jobs wait."""
    # Listed while there is a parent to list them from: one that is stopped outlives it.
    pids = live.all_pids()
    os.killpg(live.process.pid, signal.SIGKILL)
    kill(pids)
    live.stop()


def test_a_browser_comes_back_by_itself_when_the_time_of_a_stream_is_over(
    chromium: Any, own: Callable[..., Live]
) -> None:
    live = own(SCAI_MAX_WAIT="1")
    page = chromium.new_page()
    page.goto(live.url)
    for pid in live.pids("workers.image_classification"):
        os.kill(pid, signal.SIGSTOP)
    sent = live.post(IC.upload, digit("3"))
    page.evaluate(
        """(url) => {
          window.told = [];
          window.source = new EventSource(url);
          window.source.addEventListener("state", () => window.told.push("state"));
          window.source.addEventListener("result", () => window.told.push("result"));
          window.source.addEventListener("end", () => window.source.close());
        }""",
        f"/events?task={sent['sessname']}&key={sent['sesskey']}",
    )
    page.wait_for_function("() => window.told.length >= 2")
    wake(live)
    page.wait_for_function("() => window.told.at(-1) === 'result'")
    page.evaluate(FOLLOW, given(IC.kind, sent))
    assert settled(page, 1)[sent["sessname"]][-1].startswith("answer complete")
    page.close()
