"""What the connections of a front share, as they see it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from scai.programs.front.body import BodyRoom
from scai.programs.front.exchange import Exchange
from scai.programs.front.limits import FrontLimits
from scai.programs.front.notes import Notes
from scai.programs.front.reader import Admit
from scai.programs.front.request import Request

if TYPE_CHECKING:
    from scai.programs.front.connection import Connection


class Home(Protocol):
    """What all connections of a front share."""

    limits: FrontLimits
    notes: Notes
    room: BodyRoom
    admit: Admit
    # One for all: what was read is taken up at once.
    buffer: bytearray
    loop: asyncio.AbstractEventLoop
    stopping: bool

    def exchange(self, request: Request, connection: Connection) -> Exchange | None:
        """The exchange of a request; None if the front has answered it by itself."""

    def forget(self, connection: Connection) -> None:
        """Count a connection no longer: it is closed."""

    def rested(self) -> None:
        """A connection has become idle."""

    # What threads have finished, and nobody waits for. It is taken up with the next event.
    finished: deque[Callable[[], None]]

    def take_up(self) -> None:
        """Call what is in `finished`."""
