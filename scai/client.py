"""A client of the HTTP API, as used by `scai submit`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from scai.errors import ScaiError
from scai.kinds import ROUTES, Routes
from scai.storage.session import FINAL

# One long-poll, in seconds, and what may pass beyond it before the server counts as gone.
_POLL = 20
_SLACK = 15


@dataclass(frozen=True)
class Ticket:
    """What the server gave for an upload: the session's name and the key that opens it."""

    routes: Routes
    name: str
    key: str

    @property
    def query(self) -> dict[str, str]:
        """The query of every address of this session."""
        return {"task": self.name, "key": self.key}


class Client:
    """Talks to one server. Raises ScaiError with a sentence for people."""

    def __init__(self, server: str) -> None:
        self._server = server.rstrip("/")
        self._http = requests.Session()
        # Proxies of the environment are for the internet, not for a server of one's own.
        self._http.trust_env = False

    def upload(self, photo: Path, kind: str, model: str = "") -> Ticket:
        """Post one photo to the API of that kind."""
        routes = next(r for r in ROUTES if r.kind == kind)
        try:
            data = photo.read_bytes()
        except OSError as error:
            raise ScaiError(f"{photo}: {error.strerror}") from error
        form = {"model": model} if model else {}
        answer = self._json("POST", routes.upload, files={"photo": (photo.name, data)}, data=form)
        if answer.get("status") != "success":
            raise ScaiError(f"{photo}: {answer.get('sessname') or 'refused'}")
        return Ticket(routes, str(answer["sessname"]), str(answer["sesskey"]))

    def wait(self, ticket: Ticket, timeout: float) -> dict[str, Any]:
        """The result when it is final. Raises ScaiError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            query = {**ticket.query, "wait": f"{min(left, _POLL):.1f}"}
            result = self._json("GET", ticket.routes.result, params=query)
            if result.get("status") == "error":
                raise ScaiError(f"{ticket.name}: {result.get('sessname')}")
            if result.get("state") in FINAL:
                return result
            if left == 0:
                raise ScaiError(f"{ticket.name}: no verdict within {timeout:g} s")

    def picture(self, ticket: Ticket) -> bytes:
        """The annotated picture as PNG; for kinds without one, raises ScaiError."""
        if ticket.routes.output is None:
            raise ScaiError("there is an annotated picture for detection only")
        return self._request("GET", ticket.routes.output, params=ticket.query).content

    def _json(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = self._request(method, path, **more)
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ScaiError(f"{self._server}{path} answered {answer.status_code} without JSON")
        return value

    def _request(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            return self._http.request(method, self._server + path, timeout=_POLL + _SLACK, **more)
        except requests.RequestException as error:
            raise ScaiError(
                f"no answer from {self._server} ({type(error).__name__}); does a server run there?"
            ) from error
