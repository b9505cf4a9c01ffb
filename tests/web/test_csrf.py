"""Forms of ours only: the token in the cookie and the same one in the form."""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS

from scai.web import csrf

IC, _ = KINDS
TOKEN = "ab" * 20


def send(http: FlaskClient, token: str | None, **headers: str) -> int:
    data = {"kind": IC.name, "photo": (io.BytesIO(picture()), "a.jpg")}
    if token is not None:
        data[csrf.FIELD] = token
    return http.post("/photo", data=data, headers=headers).status_code


ATTEMPTS = [
    # The cookie, the field, where the browser says it comes from, the status.
    (TOKEN, TOKEN, None, 303),
    (TOKEN, TOKEN, "same-origin", 303),
    (TOKEN, TOKEN, "none", 303),  # typed, or from a bookmark
    (TOKEN, TOKEN, "cross-site", 403),
    (TOKEN, TOKEN, "same-site", 403),  # another server on a neighbouring host
    (TOKEN, "cd" * 20, None, 400),
    (TOKEN, "", None, 400),
    (TOKEN, None, None, 400),
    (TOKEN, "密", None, 400),
    (None, TOKEN, None, 400),
    ("", "", None, 400),
    ("short", "short", None, 400),
]


@pytest.mark.parametrize("cookie, field, come_from, status", ATTEMPTS)
def test_a_form_is_taken_with_the_token_of_its_browser_only(
    site: Site, cookie: str | None, field: str | None, come_from: str | None, status: int
) -> None:
    if cookie is not None:
        site.http.set_cookie(csrf.COOKIE, cookie)
    headers = {} if come_from is None else {"Sec-Fetch-Site": come_from}
    assert send(site.http, field, **headers) == status
    assert len(site.queues[IC.name]) == (1 if status == 303 else 0)


def test_the_api_asks_for_no_token(site: Site) -> None:
    assert site.post(IC, picture())["status"] == "success"


@pytest.fixture
def browser() -> FlaskClient:
    """A page with two forms of ours."""
    app = Flask("forms")

    @app.get("/")
    def page() -> object:
        return csrf.set_cookie(app.make_response(f"{csrf.token()} {csrf.token()}"))

    return app.test_client()


def test_the_token_stays_the_same_for_one_browser_and_differs_between_two(
    browser: FlaskClient,
) -> None:
    first, again = browser.get("/").text.split()
    assert first == again
    assert re.fullmatch(r"[0-9a-f]{40}", first)
    assert browser.get("/").text.split() == [first, first]
    assert first not in browser.application.test_client().get("/").text


def test_the_cookie_is_for_us_alone(browser: FlaskClient) -> None:
    cookie = browser.get("/").headers["Set-Cookie"]
    assert "SameSite=Strict" in cookie
    assert "HttpOnly" in cookie
    assert "Secure" not in cookie
    assert browser.get("/").headers.get("Set-Cookie") is None
    other = browser.application.test_client()
    assert "Secure" in other.get("/", base_url="https://scai.example").headers["Set-Cookie"]


def test_a_cookie_that_is_none_of_ours_is_replaced(browser: FlaskClient) -> None:
    browser.set_cookie(csrf.COOKIE, "<script>")
    assert "<script>" not in browser.get("/").text
    assert browser.get("/").headers.get("Set-Cookie") is None
