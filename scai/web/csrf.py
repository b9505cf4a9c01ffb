"""Forms of ours only: a random token in a cookie, and the same one in the form.

Another site can send a form here with the browser's cookies, yet it can read neither the cookie nor
the page, so it cannot fill the field in ("double submit"; OWASP Cross-Site Request Forgery
Prevention). Programs have no cookie of ours and use the routes of the API, which ask for none.
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
    """This browser's token, for the hidden field of a form; `keep` must see the answer."""
    kept = request.cookies.get(COOKIE, "")
    if not _TOKEN.fullmatch(kept):
        kept = g.get("csrf_token") or secrets.token_hex(20)
        g.csrf_token = kept
    return kept


def keep(response: Response) -> Response:
    """Give the browser the token that this answer's forms hold, if it has none yet."""
    if "csrf_token" in g:
        response.set_cookie(
            COOKIE, g.csrf_token, httponly=True, samesite="Strict", secure=request.is_secure
        )
    return response


def check(given: str | None) -> None:
    """Raises BadRequest unless `given` is the token of this browser and the form came from here."""
    kept = request.cookies.get(COOKIE, "")
    # Browsers say where a request comes from; those that do not are held to the token alone.
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") in ("cross-site", "same-site")
    if elsewhere or not _TOKEN.fullmatch(kept) or not _same(kept, given or ""):
        raise BadRequest("this form is too old or from elsewhere; load the page again and resend")


def _same(kept: str, given: str) -> bool:
    return hmac.compare_digest(kept.encode(), given.encode("utf-8", "replace"))
