"""HTTP as the front speaks it, over real connections."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.front import LARGEST, LIMITS, NET, Serving, echo, serving
from support.helpers import wait_until

from scai.web.forms import BODY

Environ = dict[str, Any]
Start = Callable[..., Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(echo, tmp_path) as running:
        yield running


def test_a_connection_serves_one_request_after_the_other(server: Serving) -> None:
    talk = server.talk()
    for path in ("/one", "/two?a=b%20c", "/th%C3%A9"):
        reply = talk.ask(path).reply()
        assert reply.status == 200 and "date" in reply.headers
        assert reply.json["client"] == "127.0.0.1"
    assert reply.json["path"] == "/thé".encode().decode("latin-1")


def test_requests_sent_ahead_are_answered_in_their_order(server: Serving) -> None:
    talk = server.talk()
    request = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d"
    talk.send(b"".join(request % (n, n) for n in range(10)))
    replies = [talk.reply().json for _ in range(10)]
    assert [(each["path"], each["body"]) for each in replies] == [
        (f"/{n}", f"{n:02d}") for n in range(10)
    ]


def test_who_sends_too_many_requests_ahead_is_refused_after_the_others(server: Serving) -> None:
    talk = server.talk().send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (LIMITS.ahead + 50))
    statuses = []
    while not statuses or statuses[-1] == 200:
        statuses.append(talk.reply().status)
    assert statuses[-1] == 400 and talk.rest() == b""


def test_a_body_in_chunks_is_whole_for_the_application(server: Serving) -> None:
    talk = server.talk().send(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\nTrailer: t\r\n\r\n"
    )
    got = talk.reply().json
    assert (got["body"], got["length"]) == ("abcdefg", "7")
    assert not {"HTTP_TRANSFER_ENCODING", "HTTP_TRAILER"} & set(got["headers"])
    assert talk.ask("/next").reply().json["path"] == "/next"


def test_who_asks_whether_to_go_on_is_told_to(server: Serving) -> None:
    talk = server.talk().send(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    )
    assert talk.head() == (100, {})
    assert talk.send(b"abc").reply().json["body"] == "abc"


ASKS = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"


def test_on_a_connection_in_use_too(server: Serving) -> None:
    talk = server.talk()
    for number in range(5):
        assert talk.send(ASKS % number).head() == (100, {})
        assert talk.send(b"abc").reply().json["body"] == "abc"


def test_who_asks_behind_another_request_is_told_after_its_answer(tmp_path: Path) -> None:
    proceed = threading.Event()

    def app(environ: Environ, start: Start) -> list[bytes]:
        assert environ["PATH_INFO"] != "/first" or proceed.wait(NET)
        return echo(environ, start)

    # Nor is it too slow while it waits for that.
    with serving(app, tmp_path, limits=replace(LIMITS, window=0.1, speed=10_000)) as server:
        talk = server.talk().ask("/first").send(ASKS % 2)
        time.sleep(0.3)
        proceed.set()
        assert talk.reply().json["path"] == "/first"
        assert talk.head() == (100, {})
        assert talk.send(b"abc").reply().json["body"] == "abc"


def test_the_answer_to_head_has_no_body(server: Serving) -> None:
    talk = server.talk().ask("/", "HEAD")
    reply = talk.reply(bodiless=True)
    assert reply.status == 200 and int(reply.headers["content-length"]) > 0
    assert talk.ask("/next").reply().json["path"] == "/next"


@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\r\n"])
def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes(
    server: Serving, expects: str
) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\n{expects}Content-Length: {LARGEST + 1}\r\n\r\n"
    talk = server.talk().send(head.encode())
    reply = talk.reply()
    assert (reply.status, reply.json["code"]) == (413, "image_too_large")
    assert reply.headers["connection"] == "close" and talk.rest() == b""


def test_a_body_without_a_length_is_refused_while_it_comes(server: Serving, tmp_path: Path) -> None:
    talk = server.talk().send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%b\r\n" % (100_000, bytes(100_000))
    for _ in range(LARGEST // 100_000 + 1):
        talk.send(chunk)
    assert talk.reply().status == 413
    wait_until(lambda: not os.listdir(tmp_path), what="the file of that body is removed")
    assert server.in_loop(lambda: server.front.room.used) == 0


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "part",
    [b"1\r\nx\r\n0\r\nTrailer: " + b"t" * 10_000, b"1;" + b"x" * 10_000],
    ids=["trailer", "extension"],
)
def test_what_is_around_the_chunks_of_a_body_has_a_limit(server: Serving, part: bytes) -> None:
    talk = server.talk().send(CHUNKED + part)
    with suppress(OSError):
        for _ in range(100):
            talk.send(b"x" * 10_000)
    assert (talk.reply().status, server.get("/").status) == (400, 200)


def test_chunks_may_not_be_small_parts_of_what_is_sent(server: Serving) -> None:
    talk = server.talk().send(CHUNKED)
    with suppress(OSError):
        for _ in range(2000):
            talk.send(b"1;" + b"x" * 1000 + b"\r\ny\r\n")
    assert talk.reply().status == 400


def test_a_body_of_tiny_chunks_is_read(server: Serving) -> None:
    talk = server.talk().send(CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
    assert talk.reply().json["size"] == 50_000


def test_what_follows_a_body_is_no_part_of_it(server: Serving) -> None:
    talk = server.talk().send(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcdefgh\r\n"
    )
    assert talk.reply().json["body"] == "abc"
    reply = talk.reply()
    assert (reply.status, reply.json["code"]) == (400, "bad_request")
    assert talk.rest() == b""


UNREADABLE = [
    b"nonsense\r\n\r\n",
    b"GET / HTTP/9.1\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
]


@pytest.mark.parametrize("request_", UNREADABLE, ids=repr)
def test_what_is_no_request_is_refused(server: Serving, request_: bytes) -> None:
    talk = server.talk().send(request_)
    reply = talk.reply()
    assert (reply.status, reply.json["status"]) == (400, "error")
    assert talk.rest() == b""


@pytest.mark.parametrize(
    "header", [b"X: " + b"x" * 300_000, b"X: y\r\n" * 200], ids=["long", "many"]
)
def test_a_header_without_measure_is_refused(server: Serving, header: bytes) -> None:
    talk = server.talk()
    talk.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
    reply = talk.reply()
    assert (reply.status, reply.json["code"]) == (431, "header_too_large")


def test_an_offer_of_another_protocol_is_answered_in_this_one(server: Serving) -> None:
    talk = server.talk().ask("/", "GET", b"", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    reply = talk.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert talk.rest() == b""


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
BODIES = [
    b"Content-Length: 7\r\n\r\nabcdefg",
    b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\nTrailer: t\r\n\r\n",
]


@pytest.mark.parametrize("rest", BODIES, ids=["length", "chunks"])
@pytest.mark.parametrize("step", [1, 10_000], ids=["bytes", "whole"])
def test_a_body_before_an_offered_protocol_is_read(server: Serving, rest: bytes, step: int) -> None:
    data = b"POST /to HTTP/1.1\r\nHost: x\r\n" + UPGRADE + rest + b"GET / HTTP/1.1\r\n\r\n"
    talk = server.talk()
    for at in range(0, len(data), step):
        talk.send(data[at : at + step])
    reply = talk.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    got = reply.json
    assert (got["method"], got["path"], got["body"]) == ("POST", "/to", "abcdefg")
    assert got["length"] == "7" and talk.rest() == b""


def test_a_body_before_an_offered_protocol_has_its_limit(server: Serving) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n"
    talk = server.talk().send(head)
    for _ in range(LARGEST // 100_000 + 1):
        talk.send(b"%x\r\n%b\r\n" % (100_000, bytes(100_000)))
    assert talk.reply().status == 413


def test_a_whole_address_is_read_as_its_path(server: Serving) -> None:
    assert server.talk().ask("http://localhost/a?b").reply().json["path"] == "/a"


def test_a_header_that_looks_like_another_is_left_out(server: Serving) -> None:
    talk = server.talk().ask("/", "GET", b"", "X_Forwarded_Proto: https", "X-Own: 1", "X-Own: 2")
    headers = talk.reply().json["headers"]
    assert "HTTP_X_FORWARDED_PROTO" not in headers and headers["HTTP_X_OWN"] == "1,2"


def test_an_old_client_is_answered_until_the_connection_ends(tmp_path: Path) -> None:
    def parts(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        yield from (b"one ", b"two")

    with serving(parts, tmp_path) as server:
        talk = server.talk().send(b"GET / HTTP/1.0\r\n\r\n")
        assert talk.reply().body == b"one two"
        reply = server.talk().ask("/").reply()
        assert (reply.headers["transfer-encoding"], reply.body) == ("chunked", b"one two")


def test_an_answer_that_breaks_off_does_not_look_whole(tmp_path: Path) -> None:
    def breaks(environ: Environ, start: Start) -> Iterator[bytes]:
        length = [("Content-Length", "9")] if environ["PATH_INFO"] == "/known" else []
        start("200 OK", length)
        yield b"half"
        raise OSError("the disk is gone")

    with serving(breaks, tmp_path) as server:
        talk = server.talk().ask("/")
        assert talk.head()[0] == 200
        assert talk.rest() == b"4\r\nhalf\r\n"
        talk = server.talk().ask("/known")
        assert talk.head()[0] == 200 and talk.rest() == b"half"


def test_an_old_client_takes_no_part_of_an_answer_for_the_whole(tmp_path: Path) -> None:
    def breaks(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        yield b"half" * 50_000
        raise OSError("the disk is gone")

    with serving(breaks, tmp_path) as server:
        for half_closed in (False, True):
            talk = server.talk().send(b"GET / HTTP/1.0\r\n\r\n")
            if half_closed:
                talk.socket.shutdown(socket.SHUT_WR)
            assert talk.head()[0] == 200
            with pytest.raises(ConnectionResetError):
                while talk.socket.recv(65_536):
                    pass


def test_nor_when_the_server_stops(tmp_path: Path) -> None:
    def endless(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        while True:
            yield b"part" * 20_000

    server = Serving(endless, tmp_path)
    try:
        talk = server.talk().send(b"GET / HTTP/1.0\r\n\r\n")
        assert talk.head()[0] == 200
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with pytest.raises(ConnectionResetError):
            while talk.socket.recv(65_536):
                pass
        stopping.join(NET)
    finally:
        server.close()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_fails_before_the_first_byte_is_told_as_a_mistake(tmp_path: Path, version: str) -> None:
    def fails(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        yield b""
        raise OSError("the disk is gone")

    with serving(fails, tmp_path) as server:
        reply = server.talk().send(f"GET / HTTP/{version}\r\nHost: x\r\n\r\n".encode()).reply()
        assert (reply.status, reply.json["code"]) == (500, "internal")


def test_a_mistake_of_the_application_is_told_without_its_text(tmp_path: Path) -> None:
    def fails(environ: Environ, start: Start) -> list[bytes]:
        raise KeyError("secret")

    with serving(fails, tmp_path) as server:
        reply = server.get("/")
        assert (reply.status, reply.json["code"]) == (500, "internal")
        assert b"secret" not in reply.body


def test_an_answer_that_cannot_be_sent_ends_the_connection(tmp_path: Path) -> None:
    def wrong(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [("Content-Length", "many")])
        return [b"x"]

    with serving(wrong, tmp_path) as server:
        assert server.talk().ask("/").rest() == b""
        assert server.talk().ask("/").rest() == b""


def test_a_mistake_while_a_header_is_judged_is_not_the_clients(tmp_path: Path) -> None:
    def admit(request: Any, length: int) -> Any:
        raise KeyError("secret")

    with serving(echo, tmp_path, admit=admit) as server:
        reply = server.talk().ask("/", "POST", b"abc").reply()
        assert (reply.status, reply.json["code"]) == (500, "internal")
        assert server.get("/").status == 200


def test_a_large_body_is_a_file_that_can_be_moved_away(tmp_path: Path) -> None:
    spool, kept = tmp_path / "spool", tmp_path / "kept"
    spool.mkdir()
    body = os.urandom(2_500_000)
    seen: list[int] = []

    def take(environ: Environ, start: Start) -> list[bytes]:
        picture = environ[BODY].picture
        seen.append(os.stat(picture).st_ino)
        os.rename(picture, kept)
        start("204 No Content", [])
        return []

    with serving(take, spool) as server:
        assert server.talk().ask("/", "POST", body).reply(bodiless=True).status == 204
        assert kept.read_bytes() == body and os.stat(kept).st_ino == seen[0]
        assert not os.listdir(spool)


def test_bodies_go_to_files_while_the_memory_for_them_is_full(tmp_path: Path) -> None:
    places: list[bool] = []

    def look(environ: Environ, start: Start) -> list[bytes]:
        places.append(BODY in environ)
        return echo(environ, start)

    with serving(look, tmp_path, limits=replace(LIMITS, bodies=50_000)) as server:
        held = server.talk().send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60001\r\n\r\n")
        held.send(bytes(40_000))
        wait_until(lambda: server.in_loop(lambda: server.front.room.used) == 40_000)
        reply = server.talk().ask("/", "POST", bytes(30_000)).reply()
        assert reply.json["size"] == 30_000 and places == [True]
        held.send(bytes(20_001))
        assert held.reply().json["size"] == 60_001
        assert server.in_loop(lambda: server.front.room.used) == 0
        assert server.talk().ask("/", "POST", bytes(30_000)).reply().status == 200
        assert places[-1] is False
    assert not os.listdir(tmp_path)


def test_a_file_is_answered_in_portions_without_loss(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)

    def send(environ: Environ, start: Start) -> Any:
        start("200 OK", [("Content-Length", str(len(content)))])
        return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"), 8192)

    with serving(send, tmp_path) as server:
        talk = server.talk()
        for _ in range(3):
            assert talk.ask("/").reply().body == content
