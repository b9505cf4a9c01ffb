"""Requests out of the bytes of one connection, with llhttp as the parser."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import httptools

from scai.errors import MISTAKE, BadRequest, ScaiError
from scai.programs.front import refusals
from scai.programs.front.body import Body, BodyRoom
from scai.programs.front.limits import FrontLimits, Pace
from scai.programs.front.request import Request

log = logging.getLogger(__name__)

# For a request and the length of its body, 0 if that is not announced: the most bytes that the body
# may have, and the refusal of a longer one. Raises ScaiError to refuse it before the body comes.
Admit = Callable[[Request, int], tuple[int, ScaiError]]


class Receiver(Protocol):
    """Who gets the requests of a reader."""

    def arrived(self, request: Request) -> None:
        """A request has come whole; its body may still be on its way into a file."""

    def refuse(self, error: ScaiError) -> None:
        """Something came, or did not come, that ends the connection."""

    def go_on(self) -> None:
        """The client asks whether its body is welcome, and it is."""

    @property
    def full(self) -> bool:
        """Whether enough requests wait for their turn."""

    def written_in_thread(self) -> None:
        """Something of a body was written to its file, or could not be."""


# The versions of HTTP that are spoken here.
_VERSIONS = ("1.0", "1.1")
# Bytes around the chunks of a body for each byte in them: chunks of a single byte take five.
_AROUND = 16


class _Refused(Exception):
    """Stops the parser; the receiver knows already what is refused."""


class RequestReader:
    """Reads from `feed`, in the event loop.

    since: when the header of the present request began, else when the last thing happened
    """

    def __init__(
        self,
        client: tuple[str, int],
        receiver: Receiver,
        limits: FrontLimits,
        room: BodyRoom,
        admit: Admit,
        clock: Callable[[], float],
    ) -> None:
        self.server = ("", 0)
        self.since = clock()
        self._client = client
        self._receiver = receiver
        self._limits = limits
        self._room = room
        self._admit = admit
        self._clock = clock
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._in_body = False
        self._head_size = 0
        # Of the present body: bytes that came for it and are none of it, and those since its last.
        self._around = self._since_last = 0
        # Whether the client offers another protocol for after the present body.
        self._offers = False
        self._too_large: ScaiError | None = None
        self._pace = Pace(limits.speed, limits.window, self.since)
        self._deaf = False

    @property
    def in_head(self) -> bool:
        """Whether a header has begun and has not come whole."""
        return self._request is not None and not self._in_body

    @property
    def body(self) -> Body | None:
        """The body that is being read."""
        return self._request.body if self._request is not None and self._in_body else None

    def feed(self, data: memoryview) -> None:
        """Read what came."""
        if self._deaf:
            return
        if self._in_body:
            self._around += len(data)
            self._since_last += len(data)
        else:
            self._head_size += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if not self._deaf and isinstance(error, httptools.HttpParserCallbackError):
                log.error("a request could not be read", exc_info=error)
                self._refuse(ScaiError(MISTAKE))
            elif not self._deaf:
                self._refuse(BadRequest(f"expected a request of HTTP/1.1: {error}"))
        if self.in_head and self._head_size > self._limits.head_bytes:
            self._refuse_header()
        elif self.body is not None and self._is_mostly_around(self.body.size):
            self._refuse(BadRequest("expected a body in chunks with less around them"))

    def _parse(self, data: memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # It gets its answer in HTTP/1.1, and no other. A body comes before the other protocol,
            # but this parser ends at the header.
            if not self._offers:
                self._deaf = True
                return
            self._parser = self._parser_of_body()
            self._parser.feed_data(data[upgrade.args[0] :])

    def _parser_of_body(self) -> httptools.HttpRequestParser:
        """A parser that has read a header without the offer of another protocol."""
        assert self._request is not None
        length = self._request.header(b"content-length")
        framing = b"Content-Length: " + length if length else b"Transfer-Encoding: chunked"
        parser = httptools.HttpRequestParser(_BodyEvents(self))
        parser.feed_data(b"POST / HTTP/1.1\r\nConnection: close\r\n" + framing + b"\r\n\r\n")
        return parser

    def _is_mostly_around(self, size: int) -> bool:
        """Whether too much came that is not in the chunks; all chunks may be followed by more."""
        most = self._limits.head_bytes
        return self._since_last > most or self._around > most + _AROUND * size

    def end(self) -> None:
        """Refuse a request that will not come whole: the client sends no more."""
        if self._request is not None and self.body is not None:
            announced = int(self._request.header(b"content-length") or 0)
            self._refuse(refusals.cut_body(self.body.size, announced or None))

    def overdue(self, now: float, *, paused: bool) -> ScaiError | None:
        """The refusal of a request that comes too slowly; paused: nothing was read of late."""
        limits = self._limits
        if self.in_head and now - self.since >= limits.header:
            return refusals.slow_header(limits.header)
        if paused:
            self._pace.restart(now)
        elif self.body is not None and self._pace.too_slow(now):
            return refusals.slow_body(limits.speed, limits.window)
        return None

    def stop(self) -> None:
        """Read nothing more, and forget what has come of a request."""
        self._deaf = True
        if self._request is not None and self._request.body is not None:
            self._request.body.abandon()
        self._request, self._in_body = None, False

    def deafen(self) -> None:
        """Read nothing more; what has come stays."""
        self._deaf = True

    def _refuse(self, error: ScaiError) -> None:
        self.stop()
        self._receiver.refuse(error)

    def _refuse_header(self) -> None:
        self._refuse(refusals.large_header(self._limits.head_bytes, self._limits.headers))

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._receiver.full:
            self._refuse(BadRequest("expected to be read before more requests are sent"))
            raise _Refused
        self._request = Request(self._client, self.server)
        self._in_body = False
        self.since = self._clock()

    def on_url(self, part: bytes) -> None:
        assert self._request is not None
        self._request.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._request is not None
        if self._in_body:
            return  # at the end of a body in chunks; nobody here wants those
        self._request.headers.append((name, value))
        if len(self._request.headers) > self._limits.headers:
            self._refuse_header()
            raise _Refused

    def on_headers_complete(self) -> None:
        request, parser = self._request, self._parser
        assert request is not None
        request.method = parser.get_method().decode()
        request.version = parser.get_http_version()
        if request.version not in _VERSIONS:
            self._refuse(BadRequest(f"expected HTTP/1.1, not HTTP/{request.version}"))
            raise _Refused
        # Nothing but HTTP/1.1 is spoken here.
        request.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        self._in_body = True
        self._head_size = self._around = self._since_last = 0
        chunked = request.header(b"transfer-encoding").lower()
        length = int(request.header(b"content-length") or 0)
        if not chunked and not length:
            return
        try:
            if chunked not in (b"", b"chunked"):
                raise BadRequest("expected a body that is sent as it is, or in chunks")
            limit, self._too_large = self._admit(request, length)
            if length > limit:
                raise self._too_large
        except ScaiError as error:
            self._refuse(error)
            raise _Refused from None
        self._offers = parser.should_upgrade()
        request.body = Body(self._room, limit, self._receiver.written_in_thread)
        self._pace.restart(self.since)
        if request.header(b"expect").lower() == b"100-continue":
            self._receiver.go_on()

    def on_body(self, data: bytes) -> None:
        body = self.body
        if body is None:
            return
        self._pace.count(len(data))
        self._around -= len(data)
        self._since_last = 0
        if not body.add(data):
            assert self._too_large is not None
            self._refuse(self._too_large)
            raise _Refused

    def on_message_complete(self) -> None:
        if self._offers:
            return  # only its header is
        self.end_request()

    def end_request(self) -> None:
        request, self._request, self._in_body = self._request, None, False
        assert request is not None
        self._receiver.arrived(request)


class _BodyEvents:
    """Passes on the body that comes before an offered protocol, and nothing after it."""

    def __init__(self, reader: RequestReader) -> None:
        self.on_body = reader.on_body
        self._reader = reader

    def on_message_complete(self) -> None:
        self._reader.deafen()
        self._reader.end_request()
