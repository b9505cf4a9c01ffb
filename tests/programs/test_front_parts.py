"""Parts of the front by themselves: threads, and bodies on their way into files."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from support.front import NET, echo
from support.helpers import wait_until

from scai.programs.front.body import Body, BodyRoom
from scai.programs.front.exchange import Exchange
from scai.programs.front.pool import Pool
from scai.programs.front.request import Request
from scai.programs.front.sink import Sink


class Starter:
    """Starts threads, but for the calls whose numbers are in `fails`."""

    def __init__(self, *fails: int) -> None:
        self.fails = fails
        self.calls = 0

    def __call__(self, run: Callable[[], None], name: str) -> None:
        self.calls += 1
        if self.calls in self.fails:
            raise RuntimeError("can't start new thread")
        threading.Thread(target=run, name=name, daemon=True).start()


def test_a_thread_that_cannot_be_started_is_not_counted() -> None:
    starter = Starter(1, 3)
    pool = Pool("request", 2, starter)
    done: list[str] = []
    go_on = threading.Event()
    with pytest.raises(RuntimeError):
        pool.submit(lambda: done.append("never"))
    pool.submit(lambda: go_on.wait(NET) and None)
    pool.submit(lambda: done.append("late"))  # waits for the only thread
    pool.submit(lambda: done.append("soon"))  # starts the second one at last
    wait_until(lambda: len(done) == 2, what="the second thread works")
    go_on.set()
    pool.close()
    assert done == ["late", "soon"] and starter.calls == 4


class Held(Pool):
    """A pool that keeps its work until a test does it."""

    def __init__(self) -> None:
        super().__init__("body", 1)
        self.work: list[Callable[[], None]] = []

    def submit(self, work: Callable[[], None]) -> None:
        self.work.append(work)


def test_a_body_in_tiny_pieces_takes_the_memory_that_is_counted(tmp_path: Path) -> None:
    room = BodyRoom(tmp_path, Held(), 1_000_000, 10_000_000)
    body = Body(room, 1_000_000, lambda: None)
    tracemalloc.start()
    try:
        for number in range(200_000):
            body.add(b"%c" % (number % 256))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert room.used == 200_000 and taken < 400_000
    assert body.open().read() == bytes(number % 256 for number in range(200_000))


def test_bytes_count_until_they_are_written(tmp_path: Path) -> None:
    pool = Held()
    room = BodyRoom(tmp_path, pool, 100_000, 500_000)
    body = Body(room, 10_000_000, lambda: None)
    body.add(bytes(300_000))
    assert len(pool.work) == 1 and room.used == 300_000 and not body.must_wait
    body.add(bytes(300_000))
    assert room.used == 600_000 and body.must_wait  # all bodies together take too much
    pool.work.pop()()
    assert room.used == 300_000 and not body.must_wait
    assert not body.flush()
    body.abandon()
    assert room.used == 300_000
    for work in pool.work:
        work()
    assert room.used == 0 and list(tmp_path.iterdir()) == []


def test_a_body_that_no_thread_can_write_fails(tmp_path: Path) -> None:
    changes: list[None] = []
    room = BodyRoom(tmp_path, Pool("body", 1, Starter(1, 2)), 100_000, 500_000)
    body = Body(room, 10_000_000, lambda: changes.append(None))
    body.add(bytes(300_000))
    assert body.error is not None and changes == [None] and room.used == 0
    body.abandon()
    assert room.used == 0


class Kept:
    """A client that keeps its answer."""

    blocked = False

    def __init__(self) -> None:
        self.data = b""
        self.ended: list[bool] = []

    def send(self, data: bytes) -> None:
        self.data += data

    def answered(self, *, keep_alive: bool, broken: bool = False) -> None:
        self.ended.append(keep_alive)


def test_a_request_for_which_there_is_no_thread_is_answered() -> None:
    kept, local = Kept(), ("127.0.0.1", 80)

    async def run() -> None:
        pool = Pool("request", 1, Starter(1))
        loop = asyncio.get_running_loop()
        Exchange(Request(local, local, "GET", b"/"), cast(Sink, kept), echo, pool, loop).start()
        await asyncio.sleep(0)

    # In a thread of its own: a browser that other tests drive may run a loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(run())).result()
    assert kept.data.startswith(b"HTTP/1.1 500 ") and kept.ended == [False]
