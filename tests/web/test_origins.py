"""Requests that pages of other sites make a browser send, and what such pages may read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helpers import picture
from support.inprocess import Site
from support.kinds import IC, KINDS

from scai.errors import ConfigError
from scai.settings import Settings
from scai.web.visitors import Origins

LAB = "https://lab.example"
EVIL = "https://evil.example"

# Origin, Sec-Fetch-Site, and whether a request that changes something passes.
ATTEMPTS = [
    (None, None, True),  # curl
    ("http://localhost", None, True),
    ("HTTPS://LOCALHOST", None, True),  # the proxy speaks HTTPS and does not say so
    ("http://localhost", "same-origin", True),
    ("null", "same-origin", True),
    ("https://photos.example", "same-origin", True),  # the proxy changes the host
    (None, "none", True),
    (None, "cross-site", False),
    (EVIL, "cross-site", False),
    (EVIL, None, False),
    (EVIL, "same-site", False),
    ("http://localhost:3000", None, False),  # another server on this machine
    ("http://localhost:3000", "same-site", False),
    ("http://localhost.evil.example", None, False),
    ("http://[", None, False),
    ("null", None, False),  # a page from a file, or in a sandbox
    ("null", "cross-site", False),
    ("http://localhost", "cross-site", False),
    (LAB, "cross-site", True),
    (LAB, None, True),
    ("http://lab.example", "cross-site", False),  # allowed over HTTPS only
    ("https://lab.example:8443", None, False),
]


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Site]:
    """A site that allows one other."""
    site = Site(tmp_path, allowed_origins=f"{LAB}, http://localhost:8080", max_waiting=100)
    yield site
    site.close()


@pytest.mark.parametrize("origin, fetch_site, passes", ATTEMPTS)
def test_a_page_of_another_site_changes_nothing(
    open_site: Site, origin: str | None, fetch_site: str | None, passes: bool
) -> None:
    given = {"Origin": origin, "Sec-Fetch-Site": fetch_site}
    headers = {name: value for name, value in given.items() if value is not None}
    answer = open_site.http.post(IC.upload, data=picture(), headers=headers)
    assert answer.status_code == (200 if passes else 403)
    assert len(open_site.queues[IC.name]) == int(passes)
    if not passes:
        told = answer.get_json()
        assert (told["code"], told["setting"]) == ("cross_site", "allowed_origins")


def test_every_route_that_changes_something_refuses_other_sites(site: Site) -> None:
    """Read from the map of addresses, so that a new route cannot be forgotten."""
    tried = 0
    for rule in site.http.application.url_map.iter_rules():
        path = rule.rule.replace("<id>", "b-1").replace("<path:filename>", "x")
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
            answer = site.http.open(path, method=method, headers=headers)
            assert (answer.status_code, answer.get_json()["code"]) == (403, "cross_site"), rule
            tried += 1
    assert tried >= 2 * len(KINDS) + 7


def test_no_other_site_may_read_by_default(site: Site) -> None:
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "DELETE"}
    for path, method in (("/status.json", "GET"), (IC.upload, "OPTIONS"), ("/batches", "OPTIONS")):
        answer = site.http.open(path, method=method, headers=headers)
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert "Origin" not in answer.headers.get("Vary", "")


def test_an_allowed_site_may_send_and_read(open_site: Site) -> None:
    asks = {"Origin": LAB, "Access-Control-Request-Method": "DELETE"}
    for path in (IC.upload, IC.result, "/batches"):
        answer = open_site.http.options(path, headers=asks)
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == LAB
        assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
        assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    for path, status in (("/status.json", 200), ("/nothing", 404)):
        read = open_site.http.get(path, headers={"Origin": LAB})
        assert read.status_code == status
        assert read.headers["Access-Control-Allow-Origin"] == LAB
        assert "Access-Control-Allow-Credentials" not in read.headers
        assert "Origin" in read.headers["Vary"]


def test_an_answer_for_one_site_is_not_cached_for_another(open_site: Site) -> None:
    for headers in ({}, {"Origin": EVIL}):
        answer = open_site.http.get("/models.json", headers=headers)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


def test_the_token_of_a_form_is_asked_of_allowed_sites_too(open_site: Site) -> None:
    for path in ("/photo", "/batch", "/photo/remove", "/history/export"):
        answer = open_site.http.post(path, data={"kind": IC.name}, headers={"Origin": LAB})
        assert answer.status_code == 400, path


def test_the_pages_let_browsers_say_that_a_form_is_ours(site: Site) -> None:
    """With "no-referrer", a form of ours would come from the origin "null" (Fetch standard)."""
    assert site.http.get("/").headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("text", ["lab.example", "https://lab.example/", "*", "null", "ftp://a"])
def test_a_wrong_setting_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed_origins: expected sites"):
        Origins(Settings(allowed_origins=text))
