"""What clients may take of the front, and what becomes of those who take more."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.front import LIMITS, NET, Serving, echo, lines_of, serving
from support.helpers import Clock, wait_until

from scai.programs.front.limits import Pace, limits_of
from scai.programs.front.notes import Notes
from scai.settings import ROOT, Settings

# Times that end soon; whoever sends something useful is faster.
SOON = replace(LIMITS, header=0.3, window=0.3, linger=0.1, speed=10_000)


class Gate:
    """An application whose threads hang until `open` is set."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.calls += 1
        if environ["PATH_INFO"] == "/hang":
            self.open.wait(NET)
        return echo(environ, start)


def test_a_silent_connection_is_closed_and_the_log_says_whose(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(echo, tmp_path, limits=SOON) as server:
        assert server.talk().rest() == b""
        assert lines_of(caplog, "127.0.0.1: a silent connection")
        assert server.get("/").status == 200


def test_a_header_that_does_not_end_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(echo, tmp_path, limits=SOON) as server:
        reply = server.talk().send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").reply()
        assert (reply.status, reply.json["code"], reply.json["stage"]) == (
            408,
            "too_slow",
            "header",
        )
        assert lines_of(caplog, "127.0.0.1: refused: expected the header")


@pytest.mark.parametrize("sent", [0, 5000, 1_500_000], ids=["nothing", "little", "much"])
def test_a_body_that_stops_half_way_costs_no_thread_and_leaves_nothing(
    tmp_path: Path, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    with serving(gate, tmp_path, limits=SOON) as server:
        talk = server.talk().send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
        reply = talk.send(bytes(sent)).reply()
        assert (reply.status, reply.json["stage"]) == (408, "body")
        assert talk.rest() == b"" and gate.calls == 0
        assert lines_of(caplog, "127.0.0.1: refused: .* of the body")
        wait_until(lambda: not os.listdir(tmp_path), what="the file of that body is removed")
        assert server.in_loop(lambda: server.front.room.used) == 0


def test_a_client_that_ends_its_body_too_early_is_told_so(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as server:
        talk = server.talk().send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        talk.socket.shutdown(socket.SHUT_WR)
        reply = talk.reply()
        assert reply.status == 408 and "3 of 9 bytes" in reply.json["error"]


def test_a_client_that_only_stops_sending_gets_its_answer(tmp_path: Path) -> None:
    gate = Gate()
    with serving(gate, tmp_path) as server:
        talk = server.talk().ask("/hang")
        wait_until(lambda: gate.calls)
        talk.socket.shutdown(socket.SHUT_WR)
        gate.open.set()
        assert talk.reply().json["path"] == "/hang" and talk.rest() == b""


def test_a_client_that_does_not_read_its_answer_is_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            return iter(lambda: bytes(100_000), b"")

        def close(self) -> None:
            closed.set()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Length", str(10**12))])
        return Endless()

    with serving(app, tmp_path, limits=replace(SOON, speed=10_000_000)) as server:
        talk = server.talk(buffer=4096).ask("/")
        assert closed.wait(NET), "the application does not learn that its reader is gone"
        assert lines_of(caplog, "127.0.0.1: an answer that is not read")
        assert len(talk.rest()) < 50_000_000


@pytest.mark.slow
def test_a_client_that_reads_slowly_but_fast_enough_is_not_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = 30_000_000

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Length", str(size))])
        return iter([bytes(100_000)] * (size // 100_000))

    speed = 20_000
    with serving(app, tmp_path, limits=replace(LIMITS, speed=speed, window=0.5)) as server:
        talk = server.talk(buffer=65_536).ask("/")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert talk.socket.recv(30 * speed // 20)
            time.sleep(1 / 20)
        # Cut or not, it reads from the kernel what was sent.
        assert lines_of(caplog, "not read") == []


def test_readers_who_do_not_read_take_no_threads(tmp_path: Path) -> None:
    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/":
            return echo(environ, start)
        start("200 OK", [("Content-Length", str(10**12))])
        return iter(lambda: bytes(100_000), b"")

    with serving(app, tmp_path, threads=1) as server:
        for _ in range(20):
            server.talk(buffer=4096).ask("/large")
        assert server.get("/").status == 200


def test_many_slow_bodies_keep_nobody_out(tmp_path: Path) -> None:
    with serving(echo, tmp_path, threads=2) as server:
        for _ in range(260):
            server.talk().send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nab")
        assert server.get("/").status == 200


def test_an_idle_connection_makes_room_for_a_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(echo, tmp_path, limits=replace(LIMITS, connections=4)) as server:
        talks = [server.talk() for _ in range(4)]
        for talk in talks[1:]:
            assert talk.ask("/").reply().status == 200
        assert server.talk().ask("/").reply().status == 200
        assert talks[0].rest() == b""  # it has waited longest
        assert talks[3].ask("/").reply().status == 200
        assert lines_of(caplog, "127.0.0.1: an idle connection")


def test_when_all_are_busy_a_new_client_is_told_when_to_come_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    with serving(gate, tmp_path, limits=replace(LIMITS, connections=2, turned_away=1)) as server:
        busy = [server.talk().ask("/hang") for _ in range(2)]
        wait_until(lambda: gate.calls == 2)
        refused = server.talk().ask("/")
        reply = refused.reply()
        assert (reply.status, reply.json["code"]) == (503, "busy")
        assert int(reply.headers["retry-after"]) > 0
        assert lines_of(caplog, "127.0.0.1: there are too many connections")
        gate.open.set()
        assert [talk.reply().status for talk in busy] == [200, 200]
        assert server.get("/").status == 200


def test_one_address_cannot_take_all_connections(tmp_path: Path) -> None:
    gate = Gate()
    with serving(gate, tmp_path, limits=replace(LIMITS, per_address=2), threads=3) as server:
        for _ in range(2):
            server.talk(source="127.0.0.2").ask("/hang")
        wait_until(lambda: gate.calls == 2)
        reply = server.talk(source="127.0.0.2").ask("/").reply()
        assert (reply.status, reply.json["setting"]) == (503, "max_address_connections")
        assert server.talk(source="127.0.0.3").ask("/").reply().json["client"] == "127.0.0.3"
        gate.open.set()


def test_what_is_instant_or_reserved_is_answered_while_all_threads_hang(tmp_path: Path) -> None:
    gate = Gate()
    options = {"threads": 1, "instant": ["/instant"], "reserved": ["/reserved"]}
    with serving(gate, tmp_path, **options) as server:
        server.talk().ask("/hang")
        server.talk().ask("/hang")
        wait_until(lambda: gate.calls == 2)  # one of them was asked at the start
        for path in ("/instant", "/reserved"):
            assert server.get(path).json["path"] == path
        gate.open.set()


def test_the_body_of_an_instant_request_is_forgotten(tmp_path: Path) -> None:
    with serving(echo, tmp_path, instant=["/instant"]) as server:
        talk = server.talk()
        for size in (1000, 1_500_000):
            assert talk.ask("/instant", "GET", bytes(size)).reply().status == 200
            wait_until(lambda: not os.listdir(tmp_path), what="the file of that body is removed")
            assert server.in_loop(lambda: server.front.room.used) == 0


class Exhausted(socket.socket):
    """A listening socket of a process that has no descriptor left."""

    out = True
    tries = 0
    why = errno.EMFILE

    def accept(self) -> Any:
        self.tries += 1
        if self.out:
            raise OSError(self.why, "Too many open files")
        return super().accept()


class Losing(socket.socket):
    """A listening socket whose first connections are lost before they are accepted."""

    lost = [errno.EPROTO, errno.EPERM, errno.EHOSTUNREACH]

    def accept(self) -> Any:
        if self.lost:
            raise OSError(self.lost.pop(), "lost")
        return super().accept()


def test_a_connection_that_is_lost_before_it_is_accepted_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(echo, tmp_path, listener=Losing()) as server:
        assert server.get("/").status == 200
    assert len(lines_of(caplog, "a connection was lost")) == 3
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_a_listening_socket_that_fails_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Exhausted()
    listener.why = errno.EIO
    with serving(echo, tmp_path, listener=listener) as server:
        talk = server.talk().ask("/")
        wait_until(lambda: lines_of(caplog, "no connection can be accepted"))
        listener.out = False
        assert talk.reply().status == 200
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_out_of_descriptors_it_waits_and_goes_on_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Exhausted()
    with serving(echo, tmp_path, listener=listener) as server:
        talk = server.talk().ask("/")
        wait_until(lambda: len(lines_of(caplog, "Too many open files")) >= 3)
        turns = listener.tries
        # Between two tries, the loop is told nothing of that socket.
        assert turns == len(lines_of(caplog, "Too many open files"))
        listener.out = False
        assert talk.reply().status == 200


def test_a_stop_closes_what_is_idle_and_waits_for_what_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    server = Serving(gate, tmp_path, limits=replace(LIMITS, grace=NET))
    idle, busy = server.talk(), server.talk().ask("/hang")
    wait_until(lambda: gate.calls)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    assert idle.rest() == b""
    gate.open.set()
    reply = busy.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    stopping.join(NET)
    server.close()


def test_a_stop_does_not_wait_for_a_thread_that_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    server = Serving(gate, tmp_path, limits=replace(LIMITS, grace=0.1))
    busy = server.talk().ask("/hang")
    wait_until(lambda: gate.calls)
    server.stop()
    assert busy.rest() == b"" and lines_of(caplog, "1 request was cut off")
    gate.open.set()
    server.close()


def test_notes_are_few_and_count_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock(100.0)
    notes = Notes(pause=10.0, clock=clock)
    for _ in range(5):
        notes.note("body", "10.0.0.1", "too slow")
    notes.note("header", "10.0.0.2", "too large")
    clock.sleep(10)
    notes.note("body", "10.0.0.3", "too slow")
    assert [record.getMessage() for record in caplog.records] == [
        "10.0.0.1: too slow",
        "10.0.0.2: too large",
        "10.0.0.3: too slow (4 more since the last line)",
    ]


def test_a_phone_that_changes_its_network_may_fall_silent_for_a_while() -> None:
    limits = limits_of(Settings(), 1000)
    pace = Pace(limits.speed, limits.window, now=0.0)
    pace.count(100_000)
    assert not pace.too_slow(20.0)
    assert not pace.too_slow(31.0)  # before and after the silence it was fast enough
    assert pace.too_slow(61.0)


def test_a_pace_is_judged_window_by_window() -> None:
    pace = Pace(speed=100, window=10.0, now=0.0)
    pace.count(5000)
    assert not pace.too_slow(9.9)
    assert not pace.too_slow(10.0)
    pace.count(500)  # what came before does not count any more
    assert pace.too_slow(20.0)
    pace.restart(50.0)
    assert not pace.too_slow(59.0)


def test_connections_leave_descriptors_for_everything_else() -> None:
    assert limits_of(Settings(max_connections=4096), 65_536).connections == 4096
    assert limits_of(Settings(max_connections=4096), 160).connections == 72
    assert limits_of(Settings(max_connections=10), 160).connections == 10


def test_the_portal_asks_for_as_many_descriptors_as_it_may_have() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = (
        "import resource; from scai.programs.front.limits import raise_descriptor_limit as up;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (200, {min(hard, 1000)}));"
        "print(up(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(min(hard, 1000))] * 2
