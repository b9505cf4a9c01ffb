"""A child process that a test ends by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable

_pids = itertools.count(10_000_000)


class FakeProcess:
    """Stands for a child, which runs until `code` is set; `stopping` is called by `terminate`.

    One that `hangs` ends only when it is killed.
    """

    def __init__(self, stopping: Callable[[], None] = lambda: None) -> None:
        self._stopping = stopping
        self.pid = next(_pids)
        self.code: int | None = None
        self.hangs = False

    def poll(self) -> int | None:
        return self.code

    def wait(self, timeout: float | None = None) -> int | None:
        return self.code

    def terminate(self) -> None:
        self._stopping()
        if not self.hangs:
            self.code = 0

    def kill(self) -> None:
        self.code = -9
