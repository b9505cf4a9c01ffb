"""A load generator for HTTP servers that takes little processor time itself.

It shares the machine with the server that it measures, so it is one thread, one event loop and
requests that were put together beforehand. What a client says to the server is a talk (see
talks.py).

    closed_loop  a fixed number of clients; each starts a new talk as soon as its last one has ended
    open_loop    a new client every 1/rate seconds, whether the others are served or not; its
                 latency counts from the moment it was due, so a stalled server looks stalled
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from benchmarks.load.loop import Client, Loop, Outcome
from benchmarks.load.talks import Talk

# Maximum number of connections of an open loop; further talks wait.
MAX_CONNECTIONS = 256

Address = tuple[str, int]


def closed_loop(
    address: Address,
    talk: Callable[[], Talk],
    clients: int,
    *,
    seconds: float = float("inf"),
    count: int | None = None,
    warm: float = 0.0,
    tick: Callable[[int], object] | None = None,
) -> Outcome:
    """Run a closed loop of `clients` for `seconds`, or until `count` talks have begun.

    Talks that end in the first `warm` seconds or after the last one are not counted; failures
    always are. `tick(talks ended)` is called after each talk.
    """
    loop = Loop(address, tick)
    left = iter(range(count)) if count is not None else iter(int, 1)
    start = time.perf_counter()
    counted_from = start + warm
    end = counted_from + seconds

    def again(client: Client | None) -> None:
        now = time.perf_counter()
        if now < end and next(left, None) is not None:
            loop.begin(client, talk(), now)

    loop.free = again
    for _ in range(clients):
        again(None)
    return loop.run(counted_from, end)


def open_loop(
    address: Address, talk: Callable[[], Talk], rate: float, *, seconds: float
) -> Outcome:
    """Run an open loop: `rate` talks a second for `seconds`; latency counts from the due time.

    The measured time ends with the last answer, so `per_second` is below `rate` for a server
    that falls behind.
    """
    loop = Loop(address)
    idle: list[Client] = []
    backlog: deque[float] = deque()
    busy = 0

    def free(client: Client) -> None:
        nonlocal busy
        busy -= 1
        idle.append(client)
        if backlog:
            due(backlog.popleft())

    def due(moment: float) -> None:
        nonlocal busy
        if busy >= MAX_CONNECTIONS:
            backlog.append(moment)
            return
        busy += 1
        loop.begin(idle.pop() if idle else None, talk(), moment)

    loop.free, loop.due = free, due
    start = time.perf_counter()
    number = max(1, int(rate * seconds))
    loop.arrivals = iter([start + i / rate for i in range(number)])
    outcome = loop.run(start, float("inf"))
    outcome.wall = max(number / rate, outcome.wall)
    if backlog:
        outcome.failures["no answer"] += len(backlog)
    return outcome
