"""How scripts follow many photos over one stream, and by themselves where there is none.

Every test also promises no console error, no policy violation and no request to another host.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import following
from support.browser.following import FOLLOW, items_of, settled, wake
from support.live import IC, OD, Live, digit, kill

asleep = following.asleep

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_many_photos_are_followed_over_one_stream_at_a_time(
    open_page: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_page()
    streams: list[str] = []
    polls: list[str] = []
    page.on("request", lambda r: streams.append(r.url) if "/events?" in r.url else None)
    page.on("request", lambda r: polls.append(r.url) if IC.result + "?" in r.url else None)
    sent = [live.post(IC.upload, digit(str(i % 10), 40), f"{i}.png") for i in range(120)]
    page.evaluate(FOLLOW, items_of(IC.name, *sent))
    # The first one is told its place before anything runs.
    page.wait_for_function(
        "(task) => window.news[task].includes('initialization 0')", arg=sent[0]["sessname"]
    )
    wake(live)
    news = settled(page, 120)
    assert all(lines[-1].startswith("answer complete") for lines in news.values())
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
    page.evaluate(FOLLOW, items_of(IC.name, sent))
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
    page.evaluate(FOLLOW, items_of(IC.name, *still) + items_of(OD.name, *moving))
    news = settled(page, 3)
    assert all(news[one["sessname"]][-1].startswith("answer complete") for one in moving)
    wake(live)
    news = settled(page, 63)
    assert all(lines[-1].startswith("answer complete") for lines in news.values())


def test_where_streams_are_refused_each_photo_is_asked_for(
    open_page: Callable[..., Any], live: Any, watch: Any, asleep: None
) -> None:
    watch.allow.append("503")
    page = open_page()
    page.route("**/events?*", lambda route: route.fulfill(status=503))
    sent = [live.post(IC.upload, digit("3")) for _ in range(8)]
    page.evaluate(FOLLOW, items_of(IC.name, *sent))
    page.wait_for_function("() => Object.values(window.news).every((told) => told.length)")
    wake(live)
    news = settled(page, 8)
    assert all(lines[-1].startswith("answer complete") for lines in news.values())


def test_where_streams_say_nothing_each_photo_is_asked_for(
    open_page: Callable[..., Any], live: Any
) -> None:
    page = open_page()
    page.route("**/events?*", lambda route: None)  # as a proxy that keeps all to itself
    sent = live.post(IC.upload, digit("3"))
    page.evaluate(FOLLOW, items_of(IC.name, sent))
    assert settled(page, 1)[sent["sessname"]][-1].startswith("answer complete")


def test_a_photo_that_is_removed_or_left_alone_troubles_no_other(
    open_page: Callable[..., Any], live: Any, asleep: None
) -> None:
    page = open_page()
    stay, gone, left = (live.post(IC.upload, digit("3")) for _ in range(3))
    page.evaluate(FOLLOW, items_of(IC.name, stay, gone, left))
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
    page.evaluate(FOLLOW, items_of(IC.name, *sent))
    page.wait_for_function("() => Object.values(window.news).every((told) => told.length)")
    wake_and_stop(live)
    page.wait_for_function(
        "() => Object.values(window.news).some((told) => told.includes('trouble'))"
        " || window.settled === 10"
    )
    own()
    news = settled(page, 10)
    assert all(lines[-1].startswith("answer complete") for lines in news.values())
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
    page.evaluate(FOLLOW, items_of(IC.name, sent))
    assert settled(page, 1)[sent["sessname"]][-1].startswith("answer complete")
    page.close()
