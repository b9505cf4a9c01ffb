"""The front: listening sockets, all connections and the limits that they share."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path

from scai.errors import ScaiError
from scai.jobs.ledger import account_of
from scai.programs.front import refusals
from scai.programs.front.answer import Answer, App, Framing
from scai.programs.front.body import BodyRoom
from scai.programs.front.connection import Connection
from scai.programs.front.exchange import Exchange
from scai.programs.front.limits import DEFAULT_LIMITS, FrontLimits
from scai.programs.front.notes import Notes
from scai.programs.front.pool import Pool
from scai.programs.front.reader import Admit
from scai.programs.front.request import Request

log = logging.getLogger(__name__)

# Bytes that are read from a connection at a time.
_BUFFER = 128 * 1024
# Connections that are accepted before others get their turn.
_AT_A_TIME = 64
# Seconds until idle connections are looked for again, after there were none.
_LOOK_AGAIN = 0.2
# What accept(2) says of the one connection, which is lost; the next one may be well.
_LOST = (
    *(errno.EPROTO, errno.EPERM, errno.ENOPROTOOPT, errno.EOPNOTSUPP),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
)
# Threads that write bodies to files, and those of `reserved` paths.
_WRITERS, _RESERVED = 4, 2


class Front:
    """Serves a WSGI application. Everything but the application runs in one event loop.

    threads: at most so many work for the application at a time
    folder: of bodies that are too large for the memory
    admit: judges a request with a body by its header, in the loop
    instant: paths whose answer to GET never changes; it is given in the loop
    reserved: paths that have threads of their own, so that they are answered when all others hang
    """

    def __init__(
        self,
        app: App,
        *,
        threads: int,
        folder: Path,
        admit: Admit,
        limits: FrontLimits = DEFAULT_LIMITS,
        instant: Iterable[str] = (),
        reserved: Iterable[str] = (),
        notes: Notes | None = None,
    ) -> None:
        self.limits = limits
        self.notes = notes or Notes()
        self.buffer = bytearray(_BUFFER)
        self.admit = admit
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop
        self.finished: deque[Callable[[], None]] = deque()
        self._app = app
        self._pool = Pool("request", threads)
        self._reserve = Pool("reserved", _RESERVED)
        writers = Pool("body", _WRITERS)
        self._pools = (self._pool, self._reserve, writers)
        self.room = BodyRoom(folder, writers, limits.in_memory, limits.bodies)
        self._reserved = frozenset(reserved)
        self._instant = {path: self._ask(path) for path in instant}
        self._connections: set[Connection] = set()
        # Those above the limits, which only get told so.
        self._turned_away: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        # By address: when to look again for idle connections, after there were none.
        self._no_room_until: dict[str, float] = {}
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        """How many connections are open, but for those that are turned away."""
        return len(self._connections)

    async def run(self, listeners: Iterable[socket.socket], stop: asyncio.Event) -> None:
        """Serve what comes at these listening sockets until `stop`; then end in `limits.grace`."""
        self.loop = asyncio.get_running_loop()
        self._listeners = list(listeners)
        for listener in self._listeners:
            listener.setblocking(False)
            self._listen(listener)
        stopped = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            await asyncio.wait([stopped], timeout=self.limits.sweep)
            self.sweep()
        await self._end()

    def take_up(self) -> None:
        """Take up what threads have finished."""
        while self.finished:
            call = self.finished.popleft()
            try:
                call()
            except Exception:
                # It is about one connection, and must not end all others.
                log.exception("what a thread has finished cannot be taken up")

    def sweep(self) -> None:
        """Look once at all connections: who takes too long is closed."""
        self.take_up()
        now = self.loop.time()
        for connection in [*self._connections, *self._turned_away]:
            try:
                connection.sweep(now)
            except Exception:
                log.exception(
                    "a connection of %s cannot be looked at; closed", connection.client[0]
                )
                connection.abort()

    async def _end(self) -> None:
        self.stopping = True
        self.take_up()
        for listener in self._listeners:
            self.loop.remove_reader(listener)
            listener.close()
        for connection in list(self._connections):
            connection.stop()
        deadline = self.loop.time() + self.limits.grace
        while self._connections and self.loop.time() < deadline:
            await asyncio.sleep(0.02)
            self.sweep()
        if self._connections:
            count = len(self._connections)
            what = "1 request was" if count == 1 else f"{count} requests were"
            log.warning("%s cut off by the stop", what)
        for connection in [*self._connections, *self._turned_away]:
            connection.abort()
        await asyncio.sleep(0)
        for pool in self._pools:
            pool.close()

    # Connections.

    def _listen(self, listener: socket.socket) -> None:
        if not self.stopping:
            self.loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_A_TIME):
            try:
                connected, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _LOST:
                    self.notes.note("lost", "any", f"a connection was lost: {error}")
                    continue
                # As a rule, nothing is left to open one with. Those that wait would be reported
                # again and again, at the cost of a processor.
                self.loop.remove_reader(listener)
                self.loop.call_later(self.limits.breath, self._listen, listener)
                self.notes.note("accept", "any", f"no connection can be accepted now: {error}")
                return
            connected.setblocking(False)
            self._welcome(connected, address[:2])

    def _welcome(self, connected: socket.socket, client: tuple[str, int]) -> None:
        refusal = self._refusal(account_of(client[0]))
        if refusal is not None:
            self.notes.note(refusal.details["setting"], client[0], refusal.message)
            if len(self._turned_away) >= self.limits.turned_away:
                connected.close()
                return
        connection = Connection(self, client, refusal)
        if refusal is None:
            self._connections.add(connection)
            self._by_address[connection.account] += 1
        else:
            self._turned_away.add(connection)
        task = self.loop.create_task(self._connect(connection, connected))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: Connection, connected: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: connection, connected)
        except OSError:
            connected.close()  # it is gone already
            self.forget(connection)

    def _refusal(self, account: str) -> ScaiError | None:
        """Why one more connection of this address is refused, if no idle one can make room."""
        most = self.limits.per_address
        if most and self._by_address[account] >= most and not self._make_room(most, account):
            return refusals.no_room("from your address", "max_address_connections", most)
        most = self.limits.connections
        if len(self._connections) >= most and not self._make_room(most):
            return refusals.no_room("", "max_connections", most)
        return None

    def _make_room(self, most: int, account: str = "") -> bool:
        """Close the connections that have waited longest for their clients to ask for anything.

        Of that address, or of all: a sixteenth of the `most` that there may be, so that they need
        not be looked through for each new one.
        """
        self.take_up()
        now = self.loop.time()
        if now < self._no_room_until.get(account, 0.0):
            return False
        idle = [
            (since, number, each)
            for number, each in enumerate(self._connections)
            if (since := each.idle_since) is not None and account in ("", each.account)
        ]
        if not idle:
            self._no_room_until = {account: now + _LOOK_AGAIN}
            return False
        for _, _, connection in sorted(idle)[: max(1, most // 16)]:
            what = "an idle connection, closed because others want in"
            self.notes.note("idle", connection.client[0], what)
            self.forget(connection)
            connection.abort()
        return True

    def forget(self, connection: Connection) -> None:
        """Count a connection no longer: it is closed."""
        self._turned_away.discard(connection)
        if connection in self._connections:
            self._connections.discard(connection)
            account = connection.account
            self._by_address[account] -= 1
            if not self._by_address[account]:
                del self._by_address[account]

    def rested(self) -> None:
        """Look for idle connections again: there is one."""
        self._no_room_until.clear()

    # Requests.

    def exchange(self, request: Request, connection: Connection) -> Exchange | None:
        """Begin to answer a request; None if that is done already."""
        path = request.path
        instant = self._instant.get(path)
        if instant is not None and request.method == "GET":
            answer, data = instant
            if request.body is not None:
                request.body.abandon()
            framing = Framing(answer, request.method, request.version, request.keep_alive)
            connection.send(framing.head + framing.frame(data, answer))
            connection.answered(keep_alive=framing.keep_alive)
            return None
        pool = self._reserve if path in self._reserved else self._pool
        exchange = Exchange(request, connection, self._app, pool, self.loop)
        exchange.start()
        return exchange

    def _ask(self, path: str) -> tuple[Answer, bytes]:
        """What the application answers to GET; it is asked only now."""
        answer, local = Answer(), ("127.0.0.1", 80)
        environ = Request(local, local, "GET", path.encode()).environ()
        answer.ask(self._app, {**environ, "wsgi.input": io.BytesIO()})
        return answer, answer.portion()
