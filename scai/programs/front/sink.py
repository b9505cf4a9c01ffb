"""Where an answer goes, as an exchange sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """Where an answer goes. All in the event loop, but for `send_in_thread`."""

    def send(self, data: bytes) -> None:
        """Send these bytes."""

    def send_in_thread(self, data: bytes) -> int:
        """Send the first bytes of an answer at once, without a turn of the loop; how many went."""

    def rests(self) -> None:
        """There is nothing to send until there is news."""

    def answered(self, *, keep_alive: bool, broken: bool = False) -> None:
        """The answer is over, and sent but for what the client has not read yet.

        broken: something lacks, and only a reset of the connection can tell the client so
        """

    def finish_in_thread(self, call: Callable[[], None]) -> None:
        """Have `call` called by the loop: the client has its answer, so this is hardly urgent."""

    @property
    def blocked(self) -> bool:
        """Whether the client has yet to read what was sent; then `unblocked` is called later."""
