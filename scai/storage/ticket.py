"""The ticket of a new session: its place in a queue, made while the session is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ticket:
    """A session that waits in a queue. `new` is False if it waited there before."""

    session: str
    new: bool = True


class TicketQueue(Protocol):
    """The part of a queue that takes new sessions in; see scai/queues/base.py."""

    def place(self, session: str) -> Ticket:
        """Let the session wait. It survives a crash only after `flush`."""

    def flush(self, ticket: Ticket) -> None:
        """Return when the ticket would survive a crash. Raises OSError."""

    def withdraw(self, session: str) -> bool:
        """Remove the ticket of that session."""
