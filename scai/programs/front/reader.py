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
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # it gets its answer in HTTP/1.1, and no other
        except httptools.HttpParserError as error:
            if not self._deaf and isinstance(error, httptools.HttpParserCallbackError):
                log.error("a request could not be read", exc_info=error)
                self._refuse(ScaiError(MISTAKE))
            elif not self._deaf:
                self._refuse(BadRequest(f"expected a request of HTTP/1.1: {error}"))
        if self.in_head and self._head_size > self._limits.head_bytes:
            self._refuse_header()

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
        # Nothing but HTTP/1.1 is spoken here.
        request.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        self._in_body = True
        self._head_size = 0
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
        request.body = Body(self._room, limit, self._receiver.written_in_thread)
        self._pace.restart(self.since)
        if request.header(b"expect").lower() == b"100-continue":
            self._receiver.go_on()

    def on_body(self, data: bytes) -> None:
        body = self.body
        if body is None:
            return
        self._pace.count(len(data))
        if not body.add(data):
            assert self._too_large is not None
            self._refuse(self._too_large)
            raise _Refused

    def on_message_complete(self) -> None:
        request, self._request, self._in_body = self._request, None, False
        assert request is not None
        self._receiver.arrived(request)
