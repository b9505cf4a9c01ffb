"""One request as it came over a connection, and as the application gets it."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from scai.programs.front.body import Body

# What belongs to the connection, not to the application: a body is whole when it gets there.
_OURS = ("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_CONNECTION", "HTTP_CONTENT_LENGTH")


@dataclass(eq=False)
class Request:
    """The head of a request, which grows while it is read, and its body.

    client, server: address and port of both sides
    """

    client: tuple[str, int]
    server: tuple[str, int]
    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    keep_alive: bool = True
    body: Body | None = None

    @property
    def path(self) -> str:
        """The path of the target, decoded as WSGI wants it."""
        return self._split()[0]

    def open(self) -> IO[bytes]:
        """The body to be read."""
        return io.BytesIO() if self.body is None else self.body.open()

    def header(self, name: bytes) -> bytes:
        """The first header of that name, in lower case; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def _split(self) -> tuple[str, str]:
        """Path and query of the target, which may be a whole address."""
        target = self.target
        if not target.startswith(b"/"):
            before, found, rest = target.partition(b"://")
            target = b"/" + rest.partition(b"/")[2] if found and before.isalpha() else target
        path, _, query = target.partition(b"?")
        if b"%" in path:
            path = unquote_to_bytes(path)
        return path.decode("latin-1"), query.decode("latin-1")

    def environ(self) -> dict[str, Any]:
        """The environment of WSGI. The body is whole, however it was sent."""
        path, query = self._split()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": f"HTTP/{self.version}",
            "SERVER_NAME": self.server[0],
            "SERVER_PORT": str(self.server[1]),
            "REMOTE_ADDR": self.client[0],
            "REMOTE_PORT": str(self.client[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        for key, value in self.headers:
            name = key.decode("latin-1")
            if "_" in name:
                continue  # it would look like another header, which a proxy may have checked
            name = f"HTTP_{name.upper().replace('-', '_')}"
            text = value.decode("latin-1")
            if name in environ:
                joint = "; " if name == "HTTP_COOKIE" else ","
                text = f"{environ[name]}{joint}{text}"
            environ[name] = text
        if "HTTP_CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
        for name in _OURS:
            environ.pop(name, None)
        if self.body is not None:
            environ["CONTENT_LENGTH"] = str(self.body.size)
        return environ
