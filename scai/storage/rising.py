"""Times for names that keep rising, whatever the clock does.

Jobs are claimed in the order of their names, which begin with a time. If the clock goes back by a
day, what came before would wait behind everything of that day. So a name never gets an earlier time
than the newest one before it, in this process and in the folder as the process found it.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

_NAME = re.compile(r"[bd]-([0-9]{8})-([0-9a-f]{12})[0-9a-f]{28}")
# Names that are this far ahead of the clock, in milliseconds, say nothing: anybody may have made
# them. Clocks that are wrong by more than a year are usually behind.
_FARTHEST = 366 * 86_400_000


class RisingTimes:
    """The times of the newest names, by folder. Safe between threads."""

    def __init__(self) -> None:
        self._newest: dict[Path, int] = {}
        self._lock = threading.Lock()

    def next(self, folder: Path, now: float) -> float:
        """The time for a new name in that folder, in epoch seconds: `now`, or a later one.

        The first call for a folder reads its names, a tenth of a second for 200,000.
        """
        at = int(now * 1000)
        with self._lock:
            newest = self._newest.get(folder)
            if newest is None:
                newest = _newest_in(folder, at + _FARTHEST)
            # Only after a step back: names of one millisecond have no order among them.
            if at < newest:
                at = newest + 1
            self._newest[folder] = at
        # Half a millisecond more, so that rounding never makes it one less.
        return (at + 0.5) / 1000


next_time = RisingTimes().next


def _newest_in(folder: Path, farthest: int) -> int:
    """The latest time in names of ours in that folder, in milliseconds; 0 if there is none."""
    newest, best = 0, ""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return 0
    for name in names:
        # Names of one letter sort by their times, so most need no closer look.
        if name[2:] > best and (match := _NAME.fullmatch(name)) is not None:
            at = int(match[2], 16)
            # A foreign client's name has any digits in the place of the time.
            if at <= farthest and time.strftime("%Y%m%d", time.localtime(at / 1000)) == match[1]:
                newest, best = max(newest, at), name[2:]
    return newest
