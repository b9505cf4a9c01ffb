"""Clients who send anything, in any pieces, and leave at any moment."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from support.front import LIMITS, echo, serving
from support.helpers import wait_until

CLIENTS = 1500
REQUESTS = (
    b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
)
PIECES = (
    *(b"\r\n", b"\0", b" ", b":", b"%", b"\xff", b"HTTP/1.1"),
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
)


def damaged(random: Random) -> bytes:
    """One to four requests, with up to six changes."""
    data = bytearray(b"".join(random.choices(REQUESTS, k=random.randint(1, 4))))
    for _ in range(random.randint(0, 6)):
        at = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[at] = random.randrange(256)
            case 1:
                data[at:at] = random.choice(PIECES)
            case 2:
                del data[at : min(at + random.randint(1, 20), len(data) - 1)]
            case _:
                data[at:at] = data[max(0, at - 30) : at]
    return bytes(data)


@pytest.mark.slow
def test_a_storm_of_damaged_requests_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    random = Random(5)
    limits = replace(LIMITS, header=0.5, window=0.5, idle=1.0, linger=0.1, in_memory=2)
    with serving(echo, tmp_path, limits=limits) as server:
        for number in range(CLIENTS):
            data = damaged(random)
            with suppress(OSError), socket.create_connection(server.address) as client:
                client.settimeout(0.01)
                cut = random.randint(0, len(data))
                client.sendall(data[:cut])
                client.sendall(data[cut:])
                if random.random() < 0.3:
                    client.shutdown(socket.SHUT_WR)
                if random.random() < 0.5:
                    client.recv(65536)
            if number % 300 == 0:
                assert server.get("/").status == 200
        wait_until(lambda: server.in_loop(lambda: len(server.front)) == 0)
        assert server.in_loop(lambda: server.front.room.used) == 0
        wait_until(lambda: not os.listdir(tmp_path))
    assert [record.getMessage() for record in caplog.records] == []
