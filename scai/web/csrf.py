"""Protect forms against cross-site requests: a random token in a cookie, and again in the form.

Another site can make a browser send a form here with its cookies. But it can read neither the
cookie nor the page, so it cannot fill in the field ("double submit"; OWASP Cross-Site Request
Forgery Prevention). Programs use the routes of the API, which need no token.
"""

from __future__ import annotations

import hmac
import re
import secrets

from flask import g, request
from flask.wrappers import Response

from scai.errors import BadRequest

FIELD = "csrf_token"
COOKIE = "csrf"
_TOKEN = re.compile(r"[0-9a-f]{40}")


def token() -> str:
    """This browser's token, for the hidden field of a form; `set_cookie` must see the answer."""
    value = request.cookies.get(COOKIE, "")
    if not _TOKEN.fullmatch(value):
        value = g.get("csrf_token") or secrets.token_hex(20)
        g.csrf_token = value
    return value


def set_cookie(response: Response) -> Response:
    """Give the browser the token of the forms in this answer, if it has none yet."""
    if "csrf_token" in g:
        response.set_cookie(
            COOKIE, g.csrf_token, httponly=True, samesite="Strict", secure=request.is_secure
        )
    return response


def check(field: str | None) -> None:
    """Raise BadRequest unless `field` is this browser's token and the form is from this site."""
    cookie = request.cookies.get(COOKIE, "")
    # Browsers tell which site a request comes from; for those that do not, the token alone counts.
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") in ("cross-site", "same-site")
    if elsewhere or not _TOKEN.fullmatch(cookie) or not _same(cookie, field or ""):
        raise BadRequest("this form is too old or from elsewhere; load the page again and resend")


def _same(cookie: str, field: str) -> bool:
    return hmac.compare_digest(cookie.encode(), field.encode("utf-8", "replace"))
