"""What the front itself answers: refusals of requests that the application never sees."""

from __future__ import annotations

import json
from typing import Any

from flask.wrappers import Response

from scai.errors import Busy, HeaderTooLarge, ScaiError, TooSlow
from scai.web import answers

# Seconds after which a client that found no room may try again.
_RETRY = 5


def respond(error: ScaiError, *, only_head: bool = False) -> bytes:
    """A whole answer with this error; the connection ends after it."""
    text = json.dumps(answers.refusal(error)) + "\n"
    response = Response(text, error.status, mimetype="application/json")
    answers.no_store(answers.secure(response))
    if "retry_after" in error.details:
        answers.retry_after(response, error.details["retry_after"])
    lines = [f"HTTP/1.1 {response.status}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    return head if only_head else head + text.encode()


def slow_header(seconds: float) -> ScaiError:
    """The header of a request does not come."""
    return TooSlow(f"expected the header of the request within {seconds:g} seconds", stage="header")


def slow_body(speed: int, window: float) -> ScaiError:
    """The body of a request does not come."""
    return TooSlow(
        f"expected {speed} bytes a second of the body, over each {window:g} seconds", stage="body"
    )


def cut_body(size: int, announced: int | None) -> ScaiError:
    """The body of a request ended before its end."""
    of = f" of {announced}" if announced is not None else ""
    return TooSlow(f"the body ended after {size}{of} bytes", stage="body")


def large_header(bytes: int, headers: int) -> ScaiError:
    """The header of a request is larger than anybody needs."""
    return HeaderTooLarge(f"expected at most {bytes} bytes and {headers} headers")


def no_room(what: str, setting: str, limit: int) -> ScaiError:
    """There are too many connections."""
    details: dict[str, Any] = {"retry_after": _RETRY, "limit": limit, "setting": setting}
    return Busy(f"there are too many connections {what}; try again in {_RETRY} seconds", **details)
