"""A child process that a test ends by hand."""

from __future__ import annotations

from collections.abc import Callable


class FakeProcess:
    """Stands for a child, which runs until `code` is set; `stopping` is called by `terminate`."""

    def __init__(self, stopping: Callable[[], None] = lambda: None) -> None:
        self._stopping = stopping
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def wait(self, timeout: float | None = None) -> int | None:
        return self.code

    def terminate(self) -> None:
        self._stopping()
        self.code = 0
