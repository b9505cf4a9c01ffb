"""Photos on hold, released and dropped by pages: by whoever administers the server alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS
from werkzeug.test import TestResponse

from scai.errors import WorkerDied
from scai.storage.session import Session

IC, _ = KINDS
TOKEN = "ab" * 20
HTML = {"Accept": "text/html"}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Site]:
    """A site that nobody may administer by its pages."""
    (tmp_path / "closed").mkdir()
    site = Site(tmp_path / "closed", admin="none")
    yield site
    site.close()


def poison(site: Site) -> Session:
    """A photo on hold that workers died of."""
    session = Session(site.settings.sessionpath, site.post(IC, picture())["sessname"])
    session.fail(WorkerDied("the worker died <3> times"))
    [claim] = site.queues[IC.name].claim(1, 0)
    claim.hold("the worker died <3> times")
    return session


def send(
    site: Site, act: str, name: str, *, token: str = TOKEN, headers: Any = (), **more: Any
) -> TestResponse:
    site.http.set_cookie("csrf", TOKEN)
    form = {"csrf_token": token, "task": name}
    return site.http.post(f"/status/{act}", data=form, headers=dict(headers), **more)


def test_the_status_page_lists_what_is_on_hold_for_whoever_administers_it(site: Site) -> None:
    session = poison(site)
    page = site.http.get("/status?lang=en")
    assert session.name in page.text
    assert "the worker died &lt;3&gt; times" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert f"/status/hold?task={session.name}&amp;act=release" in page.text
    stranger = site.http.get("/status?lang=en", headers={"X-Forwarded-For": "10.1.1.1"})
    assert session.name not in stranger.text
    assert session.name not in site.http.get("/status.json").text


def test_the_page_of_a_hold_asks_first_and_keeps_the_key(site: Site) -> None:
    session = poison(site)
    key = str(session.record()["key"])
    for act, words, forms in (
        ("release", "Release this photo?", ["/status/release"]),
        ("drop", "Drop this photo?", ["/status/drop"]),
        ("", "Photo set aside", ["/status/release", "/status/drop"]),
    ):
        query = {"task": session.name, "act": act, "lang": "en"}
        page = site.http.get("/status/hold", query_string=query)
        assert page.status_code == 200
        assert words in page.text
        assert re.findall(r'<form method="post" action="([^"]+)"', page.text) == forms
        assert "the worker died &lt;3&gt; times" in page.text
        assert key not in page.text
    assert session.state == "failure"


def test_a_release_and_a_drop_by_the_page_do_what_they_say(site: Site) -> None:
    released, dropped = poison(site), poison(site)
    answer = send(site, "release", released.name, headers=HTML)
    assert (answer.status_code, "The photo waits again" in answer.text) == (200, True)
    assert released.state == "initialization"
    assert list(site.queues[IC.name].waiting()) == [released.name]
    answer = send(site, "drop", dropped.name)
    assert answer.get_json() == {"status": "success", "task": dropped.name, "act": "drop"}
    assert not dropped.path.exists()
    site.workers[IC.name].step()
    assert released.state == "complete"


def test_the_sender_of_a_released_photo_sees_it_wait_and_then_its_new_result(site: Site) -> None:
    answer = site.post(IC, picture())
    session = Session(site.settings.sessionpath, answer["sessname"])
    session.fail(WorkerDied("the worker died"))
    [claim] = site.queues[IC.name].claim(1, 0)
    claim.hold("the worker died")
    assert site.get(IC.result, answer)["error"] == "the worker died"
    assert send(site, "release", session.name).status_code == 200
    waiting = site.get(IC.result, answer)
    assert (waiting["state"], waiting["message"]) == ("initialization", "")
    assert "error" not in waiting
    query = {"task": answer["sessname"], "key": answer["sesskey"], "lang": "en"}
    assert "This photo is next." in site.http.get("/photo", query_string=query).text
    site.workers[IC.name].step()
    assert site.get(IC.result, answer)["state"] == "complete"


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"headers": {"X-Forwarded-For": "10.1.1.1"}}, 403, "forbidden"),
    ({"headers": {"Via": "1.1 x"}}, 403, "forbidden"),
    ({"environ_overrides": {"REMOTE_ADDR": "10.1.1.1"}}, 403, "forbidden"),
    ({"environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}}, 403, "forbidden"),
    ({"token": "cd" * 20}, 400, "bad_request"),
    ({"token": ""}, 400, "bad_request"),
    ({"headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "cross_site"),
    ({"headers": {"Origin": "https://evil.example"}}, 403, "cross_site"),
]


@pytest.mark.parametrize("act", ["release", "drop"])
@pytest.mark.parametrize(("how", "status", "code"), REFUSALS)
def test_whoever_may_not_is_refused_in_json_and_as_a_page_and_nothing_happens(
    site: Site, act: str, how: dict[str, Any], status: int, code: str
) -> None:
    session = poison(site)
    answer = send(site, act, session.name, **how)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    if code != "cross_site":
        more = {**how, "headers": {**how.get("headers", {}), **HTML}}
        page = send(site, act, session.name, **more)
        assert (page.status_code, page.mimetype) == (status, "text/html")
    assert session.state == "failure"
    assert site.queues[IC.name].held_sessions() == [session.name]


def test_nobody_may_where_the_setting_says_so(closed: Site) -> None:
    session = poison(closed)
    assert session.name not in closed.http.get("/status").text
    for answer in (
        send(closed, "release", session.name),
        closed.http.get("/status/hold", query_string={"task": session.name}),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
        assert answer.get_json()["setting"] == "admin"


def test_what_cannot_be_done_is_told(site: Site) -> None:
    nobody = "d-20261130-" + "0" * 40
    waiting = site.post(IC, picture())["sessname"]
    assert send(site, "release", nobody).status_code == 404
    assert send(site, "release", waiting).status_code == 404
    assert send(site, "drop", "../../etc").status_code == 404
    assert site.http.get("/status/hold", query_string={"task": nobody}).status_code == 404
    page = send(site, "release", waiting, headers=HTML)
    assert "is not on hold" in page.text
    [claim] = site.queues[IC.name].claim(1, 0)
    assert send(site, "drop", waiting).status_code == 409
    claim.done()


def test_a_get_changes_nothing(site: Site) -> None:
    assert site.http.get("/status/release").status_code == 405
    assert site.http.get("/status/drop").status_code == 405
