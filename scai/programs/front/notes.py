"""Lines of the log about limits: the first of each kind at once, then not more than one a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Notes:
    """Writes that a limit bit somebody, at most once in `pause` seconds for each limit."""

    def __init__(self, pause: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._last: dict[str, float] = {}
        self._more: dict[str, int] = {}

    def note(self, limit: str, address: str, what: str) -> None:
        """Write that `limit` bit the client at `address`; count it, if that was said just now.

        limit: the limit's name, of which there are few.
        """
        now = self._clock()
        if now - self._last.get(limit, -self._pause) < self._pause:
            self._more[limit] = self._more.get(limit, 0) + 1
            return
        more = self._more.pop(limit, 0)
        self._last[limit] = now
        log.warning("%s: %s%s", address, what, f" ({more} more since the last line)" * bool(more))
