"""Free ports for servers of tests. Workers of one test run never get the same one."""

from __future__ import annotations

import itertools
import os
import re
import socket

# Below the ports that the kernel gives to clients (32768 and up), so no client takes one meanwhile.
_FIRST, _EACH = 20_000, 500


def _ports() -> itertools.cycle[int]:
    """The ports of this test worker; runs side by side begin at different ones."""
    number = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 24
    first = _FIRST + number * _EACH
    start = os.getpid() * 11 % _EACH
    return itertools.cycle([first + (start + n) % _EACH for n in range(_EACH)])


_OURS = _ports()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now, and that was not handed out lately."""
    for port in itertools.islice(_OURS, _EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of {_EACH} ports is free")
