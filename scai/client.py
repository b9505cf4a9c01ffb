"""A client of the HTTP API, for Python programs and for `scai submit`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from scai.errors import ScaiError
from scai.kinds import Kind

# States in which a result does not change any more.
_FINAL = ("complete", "failure")
# Seconds that one request waits for a result, and further seconds before it times out.
_POLL = 20
_SLACK = 15


@dataclass(frozen=True)
class Receipt:
    """The server's answer to an upload: the session's name and the key that opens it."""

    kind: Kind
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

    def upload(self, photo: Path, kind: Kind, model: str = "") -> Receipt:
        """Post one photo to a kind of recognition; `model` "" is the server's default."""
        try:
            data = photo.read_bytes()
        except OSError as error:
            raise ScaiError(f"{photo}: {error.strerror}") from error
        form = {"model": model} if model else {}
        answer = self._json("POST", kind.upload, files={"photo": (photo.name, data)}, data=form)
        if answer.get("status") != "success":
            raise ScaiError(f"{photo}: {answer.get('sessname') or 'refused'}")
        return Receipt(kind, str(answer["sessname"]), str(answer["sesskey"]))

    def wait(self, receipt: Receipt, timeout: float) -> dict[str, Any]:
        """The result when it is final. Raises ScaiError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            query = {**receipt.query, "wait": f"{min(left, _POLL):.1f}"}
            result = self._json("GET", receipt.kind.result, params=query)
            if result.get("status") == "error":
                raise ScaiError(f"{receipt.name}: {result.get('sessname')}")
            if result.get("state") in _FINAL:
                return result
            if left == 0:
                raise ScaiError(f"{receipt.name}: no verdict within {timeout:g} s")

    def picture(self, receipt: Receipt) -> bytes:
        """The annotated picture as PNG; raises ScaiError for a kind that does not draw."""
        if receipt.kind.output is None:
            raise ScaiError(f"{receipt.kind.noun} draws no annotated picture")
        return self._request("GET", receipt.kind.output, params=receipt.query).content

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
