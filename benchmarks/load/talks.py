"""The talks of a client with a server, and the checks of the answers.

A talk is a generator: it yields requests (bytes of HTTP/1.1) or pauses (seconds, a float), gets a
`Reply` for each request, returns after a success and raises `Wrong` for a wrong answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from scai import kinds

_BOUNDARY = b"----------------8f1c5d0e2b7a"
# Seconds of one long-poll, and the pause after one that was answered too early.
_WAIT = 30
_PAUSE = 0.02
_FINAL = ("complete", "failure")


class Wrong(Exception):
    """An answer is wrong; the text is its name in the report."""


@dataclass(frozen=True)
class Reply:
    """One answer: its status and body."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body: a JSON object, perhaps alone in a list, as some peers answer.

        Raises Wrong unless it is one and the status is 200.
        """
        if self.status != 200:
            raise Wrong(f"status {self.status}")
        try:
            value = json.loads(self.body)
        except ValueError:
            raise Wrong("no JSON") from None
        if isinstance(value, list) and len(value) == 1:
            [value] = value
        if not isinstance(value, dict):
            raise Wrong("no JSON object")
        return value


Talk = Generator["bytes | float", "Reply | None", None]
# Raises Wrong for an answer that cannot be right.
Check = Callable[[dict[str, Any]], None]


def scai_talk(kind: str, photo: bytes, check: Check | None = None) -> Callable[[], Talk]:
    """Upload a photo to SCAI and wait for its verdict by long-poll; `check` looks at the verdict.

    Each talk is two requests, or more where the server answers a long-poll early.
    """
    routes = kinds.load()[kind]
    upload = post(routes.upload, photo)

    def talk() -> Talk:
        receipt = _reply((yield upload)).json()
        path = f"{routes.result}?task={receipt['sessname']}&key={receipt['sesskey']}&wait={_WAIT}"
        ask = get(path)
        while True:
            verdict = _reply((yield ask)).json()
            if verdict.get("state") in _FINAL:
                break
            yield _PAUSE
        if verdict["state"] != "complete":
            raise Wrong("failure")
        if check is not None:
            check(verdict)

    return talk


def one_request(path: str, photo: bytes, field: str, check: Check) -> Callable[[], Talk]:
    """Upload a photo in the multipart field `field`; the answer holds the result."""
    upload = post(path, photo, field)

    def talk() -> Talk:
        check(_reply((yield upload)).json())

    return talk


def has_predictions(count: int) -> Check:
    """Make a check that the list `predictions` has exactly that many entries."""

    def check(answer: dict[str, Any]) -> None:
        predictions = answer.get("predictions")
        if not isinstance(predictions, list):
            raise Wrong("no result in the answer")
        if len(predictions) != count:
            raise Wrong(f"{len(predictions)} results in place of {count}")

    return check


def post(path: str, photo: bytes, field: str = "photo") -> bytes:
    """Build a multipart upload of one JPEG."""
    head = (
        b"--" + _BOUNDARY + b"\r\n"
        b'Content-Disposition: form-data; name="' + field.encode() + b'"; '
        b'filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head + photo + b"\r\n--" + _BOUNDARY + b"--\r\n"
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str) -> bytes:
    """Build a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode()


def _reply(reply: Reply | None) -> Reply:
    assert reply is not None
    return reply
