"""One connection: requests come in, answers go out in their order, and limits hold for both."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from scai.errors import ScaiError
from scai.jobs.ledger import account_of
from scai.programs.front import refusals
from scai.programs.front.exchange import Exchange
from scai.programs.front.home import Home
from scai.programs.front.limits import Pace
from scai.programs.front.reader import RequestReader
from scai.programs.front.request import Request
from scai.storage.disk import storage_error

# Bytes that may lie in our memory for a client that does not read; the kernel has more.
_UNREAD = 64 * 1024
# Bytes that wait in the kernel before it takes more. Without this bound, it takes more only when a
# third of its own buffer of megabytes is free, and a slow reader looks like one who does not read.
_UNSENT = 64 * 1024
# For SO_LINGER: a closed connection is reset, and what waits in the kernel is dropped.
_AT_ONCE = struct.pack("ii", 1, 0)


class Connection(asyncio.BufferedProtocol):
    """One connection, which `sweep` closes when its client takes too long.

    refusal: of the connection itself, told at once
    """

    def __init__(
        self, home: Home, client: tuple[str, int], refusal: ScaiError | None = None
    ) -> None:
        limits, clock = home.limits, home.loop.time
        self.client = client
        # Under which it is counted.
        self.account = account_of(client[0])
        self.blocked = False
        self._home = home
        self._refusal = refusal
        self._transport: Any = None
        self._reader = RequestReader(client, self, limits, home.room, home.admit, clock)
        self._out = Pace(limits.speed, limits.window, clock())
        # Whole requests that wait for their turn, the one that is being answered, and the refusal
        # that comes after them.
        self._requests: deque[Request] = deque()
        self._exchange: Exchange | None = None
        self._last_words: ScaiError | None = None
        self._closing_at: float | None = None
        self._served = self._paused = self._doomed = self._eof = False
        # Whether its end must not look like that of a whole answer.
        self._broken = False
        # Whether the client asks if its body is welcome, and has yet to be told.
        self._asks = False
        # Bytes of answers: given to the event loop, and taken from it by the kernel.
        self._sent = self._taken = 0
        # Whether a thread may write to the socket by itself.
        self._clear = False
        self._socket_lock = threading.Lock()

    # What the event loop calls.

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=_UNREAD)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            with suppress(AttributeError, OSError):  # a system without that option
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
            self._reader.server = connected.getsockname()[:2]
        if self._doomed:
            transport.abort()
        elif self._refusal is not None:
            self._last_words = self._refusal
            self._next()

    def get_buffer(self, size: int) -> bytearray:
        return self._home.buffer

    def buffer_updated(self, size: int) -> None:
        self._reader.feed(memoryview(self._home.buffer)[:size])
        body = self._reader.body
        if body is not None and body.must_wait and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        self._home.take_up()
        if self._exchange is not None and self._exchange.waiting:
            return False  # it left
        self._reader.end()
        return self._exchange is not None or bool(self._requests) or self._broken

    def connection_lost(self, error: Exception | None) -> None:
        with self._socket_lock:
            self._clear = False  # the socket's number may soon be that of another
        if self._exchange is not None:
            self._exchange.leave()
            self._exchange = None
        self._reader.stop()
        self._drop_requests()
        self._home.forget(self)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        if self._exchange is not None:
            self._exchange.unblocked()
        else:
            self._next()

    # What the reader calls.

    def arrived(self, request: Request) -> None:
        self._asks = False
        self._requests.append(request)
        self._home.take_up()
        self._next()

    def refuse(self, error: ScaiError) -> None:
        """Answer what came before, then this, and end the connection."""
        self._reader.stop()
        self._last_words = self._last_words or error
        self._home.take_up()
        self._home.notes.note(error.code, self.client[0], f"refused: {error.message}")
        self._next()

    def go_on(self) -> None:
        self._asks = True  # told when all that was asked before is answered
        self._home.take_up()
        self._next()

    @property
    def full(self) -> bool:
        return len(self._requests) >= self._home.limits.ahead

    def written_in_thread(self) -> None:
        self._call_in_loop(self._written)

    def _call_in_loop(self, call: Callable[[], None]) -> None:
        try:
            self._home.loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # the server has stopped

    def _written(self) -> None:
        bodies = [request.body for request in self._requests] + [self._reader.body]
        errors = [body.error for body in bodies if body is not None and body.error is not None]
        if errors:
            self._drop_requests()
            self.refuse(storage_error(errors[0]))
            return
        self._resume()
        self._next()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # Answers.

    def _next(self) -> None:
        """Have the next request answered, when it is its turn and all of it is there."""
        if self._exchange is not None or self.blocked or self._closing_at is not None:
            return
        if not self._requests:
            if self._last_words is not None:
                self.send(refusals.respond(self._last_words))
                self._close_soon()
            elif self._asks:
                self._asks = False
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = self._requests[0].body
        if body is None or body.flush():
            self._clear = not self._transport.get_write_buffer_size()
            exchange = self._home.exchange(self._requests.popleft(), self)
            if exchange is not None:
                self._exchange = exchange

    def send_in_thread(self, data: bytes) -> int:
        """Send the first bytes of an answer at once, if nothing waits before them."""
        with self._socket_lock:
            if not self._clear:
                return 0
            self._clear = False
            try:
                return os.write(self._transport.get_extra_info("socket").fileno(), data)
            except OSError:
                return 0  # the event loop will find out

    def finish_in_thread(self, call: Callable[[], None]) -> None:
        self._home.finished.append(call)
        # To wake the loop costs more than anything else here, and the client's next request will.
        # Whoever sets one of these takes up afterwards what is finished: either it finds the call,
        # or it is seen here that somebody waits for it.
        if self._requests or self._last_words or self._asks or self._eof or self._home.stopping:
            self._call_in_loop(self._home.take_up)

    def send(self, data: bytes) -> None:
        """Send a part of an answer."""
        if data:
            self._sent += len(data)
            self._transport.write(data)

    def rests(self) -> None:
        """Close, if the client has left: there is nothing to tell for a while."""
        if self._eof:
            self._transport.close()

    def answered(self, *, keep_alive: bool, broken: bool = False) -> None:
        """End an exchange, and begin the next one."""
        self._exchange = None
        self._served = True
        self._reader.since = self._home.loop.time()
        over = self._eof and not self._requests
        self._broken = broken
        if keep_alive and not self._home.stopping and not over:
            self._home.rested()
            self._next()
        else:
            self._close_soon()

    def _close_soon(self) -> None:
        """Close, after the client has read its answer.

        Closed at once, with bytes of the client unread, the connection would be reset, and the
        answer lost.
        """
        self._closing_at = self._home.loop.time() + self._home.limits.linger
        self._reader.stop()
        self._drop_requests()
        if self._broken:
            self._resume()  # `sweep` resets it
        elif self._eof:
            self._transport.close()
        else:
            self._resume()
            try:
                self._transport.write_eof()
            except OSError:
                self._transport.abort()  # the client was faster

    def _drop_requests(self) -> None:
        for request in self._requests:
            if request.body is not None:
                request.body.abandon()
        self._requests.clear()

    # What the front calls.

    @property
    def idle_since(self) -> float | None:
        """Since when it only waits for the client to ask for something; None if it does more."""
        if self._closing_at is not None:
            return 0.0
        if self._exchange is not None or self._requests or self._reader.body is not None:
            return None
        return self._reader.since

    def stop(self) -> None:
        """End it soon: the server stops."""
        if self._exchange is not None:
            self._exchange.stop()
        elif self._broken:
            self.abort()
        elif self.idle_since is not None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close it now. An answer that is not whole ends in a reset."""
        self._doomed = True
        if self._transport is None:
            return
        if self._exchange is not None or self._broken:
            with suppress(OSError):
                connected = self._transport.get_extra_info("socket")
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Close it, or refuse its request, if the client takes too long."""
        if self._transport is None:
            return  # it has just been accepted
        limits, note, address = self._home.limits, self._home.notes.note, self.client[0]
        if self._is_read_too_slowly(now):
            what = f"an answer that is not read, cut off ({limits.speed} bytes/s expected)"
            note("answer", address, what)
            self._broken = True
            self.abort()
        elif self._closing_at is not None:
            if now >= self._closing_at or (self._broken and not self._unread):
                self.abort()
        elif (late := self._reader.overdue(now, paused=self._paused or self._asks)) is not None:
            self.refuse(late)
        elif self.idle_since is not None and not self._reader.in_head:
            if now - self._reader.since >= (limits.idle if self._served else limits.header):
                if not self._served:
                    note("silent", address, "a silent connection, closed")
                self._transport.close()

    @property
    def _unread(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return int(self._transport.get_write_buffer_size())

    def _is_read_too_slowly(self, now: float) -> bool:
        """Whether answers wait in our memory for a client that does not read them."""
        unread = self._unread
        taken, self._taken = self._sent - unread - self._taken, self._sent - unread
        if not unread:
            self._out.restart(now)
            return False
        if self._closing_at is not None:
            self._closing_at = now + self._home.limits.linger
        self._out.count(taken)
        return self._out.too_slow(now)
