"""A front that serves an application on loopback, in a thread of this process."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai.errors import ImageTooLarge
from scai.programs.front.front import Front
from scai.programs.front.limits import FrontLimits
from scai.programs.front.notes import Notes

# Long enough for every test, and never waited for.
NET = 20.0
# Limits that are looked at often, and that no test of something else reaches.
LIMITS = FrontLimits(header=60, idle=60, window=60, sweep=0.02, linger=0.2, breath=0.05, grace=0.2)
LARGEST = 3_000_000


@dataclass
class Reply:
    """An answer as it came over a connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Talk:
    """One connection of a client."""

    def __init__(self, address: tuple[str, int], source: str = "", buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(NET)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> Talk:
        self.socket.sendall(data)
        return self

    def ask(self, target: str, method: str = "GET", body: bytes = b"", *headers: str) -> Talk:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        headers = {}
        while (text := self._file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        return int(line.split()[1]), headers

    def reply(self, *, bodiless: bool = False) -> Reply:
        """The next answer, whole."""
        status, headers = self.head()
        if bodiless:
            body = b""
        elif "content-length" in headers:
            body = self._file.read(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self._file.read()
        return Reply(status, headers, body)

    def chunk(self) -> bytes:
        """The next chunk; empty at the end of an answer."""
        size = int(self._file.readline(), 16)
        data = self._file.read(size)
        assert self._file.readline() == b"\r\n"
        return data

    def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class Serving:
    """A front at `address` until `stop`."""

    def __init__(
        self,
        app: Callable[..., Any],
        folder: Path,
        limits: FrontLimits = LIMITS,
        listener: socket.socket | None = None,
        **options: Any,
    ) -> None:
        too_large = ImageTooLarge("expected less", limit=LARGEST)
        values = {"threads": 2, "admit": lambda request, length: (LARGEST, too_large), **options}
        self.front = Front(app, folder=folder, limits=limits, notes=Notes(pause=0.0), **values)
        self._listener = listener or socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1024)
        self.address = self._listener.getsockname()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._begun = threading.Event()
        self._talks: list[Talk] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._begun.wait(NET)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._begun.set()
        await self.front.run([self._listener], self._stop)

    def talk(self, source: str = "", buffer: int = 0) -> Talk:
        """A new connection of a client."""
        self._talks.append(Talk(self.address, source, buffer))
        return self._talks[-1]

    def get(self, target: str) -> Reply:
        """The answer to a request over a connection of its own."""
        talk = self.talk()
        try:
            return talk.ask(target).reply()
        finally:
            talk.close()

    def in_loop(self, call: Callable[[], Any]) -> Any:
        """What `call` returns in the event loop."""

        async def run() -> Any:
            self.front.take_up()
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(NET)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(NET)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.stop()
        for talk in self._talks:
            talk.close()


@contextmanager
def serving(app: Callable[..., Any], folder: Path, **options: Any) -> Iterator[Serving]:
    """A front for a block."""
    server = Serving(app, folder, **options)
    try:
        yield server
    finally:
        server.close()


def lines_of(caplog: Any, pattern: str) -> list[str]:
    """The warnings that the front wrote into the log."""
    texts = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    return [text for text in texts if re.search(pattern, text)]


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """An application that answers with what it got."""
    body = environ["wsgi.input"].read()
    got = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "length": environ.get("CONTENT_LENGTH"),
        "body": body[:1000].decode("latin-1"),
        "size": len(body),
        "headers": {key: value for key, value in environ.items() if key.startswith("HTTP_")},
        "client": environ["REMOTE_ADDR"],
    }
    data = json.dumps(got).encode()
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [data]
