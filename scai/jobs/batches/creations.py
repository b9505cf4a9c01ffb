"""How many batches one client may make: each takes inodes for two days, even without a photo."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable

from scai.errors import ClientLimit
from scai.jobs.ledger import account_of

_HOUR = 3600.0
# The longest time in seconds that a client is told to wait.
_LONGEST = 600


class Creations:
    """Counts the batches of each client within the hour; with `limit` 0 there is no bound."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._made: Counter[str] = Counter()
        self._ends = -math.inf

    def count(self, client: str) -> None:
        """Count a new batch of a client, "" for nobody. Raises ClientLimit."""
        if not self._limit or not client:
            return
        account = account_of(client)
        with self._lock:
            left = self._ends - self._clock()
            if left <= 0:
                self._made.clear()
                left, self._ends = _HOUR, self._clock() + _HOUR
            if self._made[account] >= self._limit:
                raise ClientLimit(
                    f"you have made {self._limit} batches within an hour; put more photos into "
                    "each of them",
                    retry_after=math.ceil(min(left, _LONGEST)),
                    limit=self._limit,
                    setting="max_batches_per_client",
                )
            self._made[account] += 1
