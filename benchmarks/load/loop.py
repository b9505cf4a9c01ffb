"""The event loop of the load generator: many connections, one thread."""

from __future__ import annotations

import heapq
import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.harness import percentile
from benchmarks.load.talks import Reply, Talk, Wrong

CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")
_CLOSES = re.compile(rb"(?i)\r\nconnection: *close")
_RECEIVE_BYTES = 1 << 16
# Send buffer in bytes, so that an upload reaches the kernel in one call.
_SEND_BUFFER = 1 << 20
# Seconds without any answer after which waiting talks count as failed.
PATIENCE = 60.0
# Seconds that a client waits after a failure, so that a dead server is not flooded.
_AFTER_FAILURE = 0.05


@dataclass
class Outcome:
    """The outcome of a run.

    `latencies` in seconds are those of the talks that ended well; `failures` counts the others
    by reason; `wall` is the measured time and `cpu` the generator's own processor time, in
    seconds; `requests` counts single requests.
    """

    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    wall: float = 0.0
    cpu: float = 0.0
    requests: int = 0
    talks: int = 0

    @property
    def failure_count(self) -> int:
        """Number of failed talks."""
        return sum(self.failures.values())

    @property
    def per_second(self) -> float:
        """Successful talks a second."""
        return len(self.latencies) / self.wall if self.wall else 0.0

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds of the generator for each talk."""
        return 1000 * self.cpu / max(1, self.talks)

    def ms(self, share: float) -> float:
        """Return a percentile of the latency in ms, `share` 0 to 1; nan without talks."""
        return 1000 * percentile(self.latencies, share) if self.latencies else float("nan")

    def why(self) -> str:
        """Return the failures as text, "" without any."""
        return ", ".join(f"{count} x {reason}" for reason, count in self.failures.most_common())


class Client:
    """One connection and its current talk; `sock` is None after the connection is closed."""

    __slots__ = ("sock", "talk", "began", "request", "bytes_sent", "answer", "is_sending")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.talk: Talk | None = None
        self.began = 0.0
        self.request = b""
        self.bytes_sent = 0
        self.answer = b""
        self.is_sending = False


class Loop:
    """An event loop that runs talks until none is left.

    `free(client)` is called when a client has ended a talk. `arrivals` are moments of perf_counter;
    `due(moment)` is called when each has come.
    """

    def __init__(
        self, address: tuple[str, int], tick: Callable[[int], object] | None = None
    ) -> None:
        self._address = address
        self._tick = tick
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._busy: set[Client] = set()
        self._outcome = Outcome()
        self._counted_from = time.perf_counter()
        self._end = float("inf")
        self._last = 0.0
        self._last_data = 0.0
        self.free: Callable[[Client], None] = lambda client: None
        self.due: Callable[[float], None] = lambda moment: None
        self.arrivals: Iterator[float] = iter(())

    def begin(self, client: Client | None, talk: Talk, moment: float) -> None:
        """Start a talk of a client (None: a new one); its latency counts from `moment`."""
        client = client or Client()
        client.talk, client.began = talk, moment
        self._busy.add(client)
        self._advance(client, None)

    def run(self, counted_from: float, end: float) -> Outcome:
        """Run until every talk has ended; measures from `counted_from` to `end`."""
        self._counted_from, self._end = counted_from, end
        outcome, cpu = self._outcome, time.thread_time()
        try:
            self._turns()
        finally:
            for key in list(self._selector.get_map().values()):
                self._close(key.data)
            self._selector.close()
        outcome.cpu = time.thread_time() - cpu
        outcome.wall = max(0.0, (end if self._last >= end else self._last) - counted_from)
        return outcome

    def _turns(self) -> None:
        arrival = next(self.arrivals, None)
        self._last_data = time.perf_counter()
        while self._busy or self._timers or arrival is not None:
            now = time.perf_counter()
            while arrival is not None and arrival <= now:
                self.due(arrival)
                arrival = next(self.arrivals, None)
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            if now > self._last_data + PATIENCE:
                for client in list(self._busy):
                    self._end_talk(client, "no answer")
                return
            if not self._busy and not self._timers and arrival is None:
                return
            wake = [now + 1.0, *([arrival] if arrival is not None else [])]
            if self._timers:
                wake.append(self._timers[0][0])
            for key, events in self._selector.select(max(0.0, min(wake) - now)):
                # An earlier event of this round may have closed this connection.
                if events & selectors.EVENT_WRITE and key.data.sock is key.fileobj:
                    self._send(key.data)
                if events & selectors.EVENT_READ and key.data.sock is key.fileobj:
                    self._receive(key.data)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._timers, (time.perf_counter() + seconds, self._number, act))

    def _advance(self, client: Client, reply: Reply | None) -> None:
        """Send the reply to the talk and start its next step."""
        assert client.talk is not None
        try:
            step = client.talk.send(reply)
        except StopIteration:
            self._end_talk(client)
        except Wrong as error:
            self._end_talk(client, str(error))
        except (KeyError, TypeError) as error:
            self._end_talk(client, f"an answer without {error}")
        else:
            if isinstance(step, float):
                self._later(step, lambda: self._advance(client, None))
                return
            self._outcome.requests += 1
            client.request, client.bytes_sent, client.answer = step, 0, b""
            self._send(client)

    def _send(self, client: Client) -> None:
        try:
            sock = client.sock or self._connect(client)
            client.bytes_sent += sock.send(memoryview(client.request)[client.bytes_sent :])
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(client, type(error).__name__)
            return
        more = client.bytes_sent < len(client.request)
        if more != client.is_sending:
            client.is_sending = more
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if more else 0)
            self._selector.modify(sock, events, client)

    def _connect(self, client: Client) -> socket.socket:
        sock = client.sock = socket.create_connection(self._address, timeout=10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        client.is_sending = False
        self._selector.register(sock, selectors.EVENT_READ, client)
        return sock

    def _receive(self, client: Client) -> None:
        assert client.sock is not None
        try:
            data = client.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(client, type(error).__name__)
            return
        self._last_data = time.perf_counter()
        client.answer += data
        reply = read_reply(client.answer, closed=not data)
        if reply is None:
            if not data:
                self._lose(client, "connection closed")
            return
        if not data or _CLOSES.search(client.answer.partition(b"\r\n\r\n")[0]):
            self._close(client)
        if client in self._busy:
            self._advance(client, reply)

    def _lose(self, client: Client, reason: str) -> None:
        self._close(client)
        # A server may close an idle connection.
        if client in self._busy:
            self._end_talk(client, reason)

    def _close(self, client: Client) -> None:
        if client.sock is not None:
            if client.sock.fileno() in self._selector.get_map():
                self._selector.unregister(client.sock)
            client.sock.close()
            client.sock = None
            client.answer = b""

    def _end_talk(self, client: Client, failure: str = "") -> None:
        self._busy.discard(client)
        client.talk = None
        now = time.perf_counter()
        self._outcome.talks += 1
        self._last = max(self._last, now)
        if failure:
            # The rest of its answer must not be read as the next answer.
            self._close(client)
            self._outcome.failures[failure] += 1
            self._later(_AFTER_FAILURE, lambda: self.free(client))
        elif self._counted_from <= now <= self._end:
            self._outcome.latencies.append(now - client.began)
        if self._tick is not None:
            self._tick(self._outcome.talks)
        if not failure:
            self.free(client)


def read_reply(data: bytes, closed: bool = False) -> Reply | None:
    """Parse the answer from the bytes received so far; None while it is incomplete.

    `closed`: the server will send no more.
    """
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    status = int(head[9:12])
    length = CONTENT_LENGTH.search(head)
    if length is not None:
        return Reply(status, body) if len(body) >= int(length[1]) else None
    if _CHUNKED.search(head):
        return Reply(status, _join_chunks(body)) if body.endswith(b"0\r\n\r\n") else None
    return Reply(status, body) if closed else None


def _join_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            return b"".join(parts)
        parts.append(body[:length])
        body = body[length + 2 :]
