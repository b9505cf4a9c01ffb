"""A watch over what pages say and ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Watch:
    """What the pages of one test said and asked for; `allow` holds words of expected errors."""

    origin: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    allow: list[str] = field(default_factory=list)

    def over(self, page: Any) -> None:
        """Listen to one page from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("blob", "data"):
            return
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.strangers.append(request.url)

    def unexpected(self) -> list[str]:
        """The errors that no word of `allow` explains."""
        return [e for e in self.errors if not any(word in e for word in self.allow)]
