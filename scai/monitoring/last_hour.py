"""The last hour of one queue in figures, minute by minute, from its journal.

A minute that is over is read to its end once; of the running one, only new lines are read. Whatever
the traffic, one call reads a few megabytes at most, the latest minutes first, and keeps little in
memory: counts of latencies in steps of 4 %, and a few reasons of failures.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.monitoring.journal import FOLDER, MINUTE, JournalEntry
from scai.storage.open_plain import open_plain

MINUTES = 60
# Seconds after its end in which a minute may still get lines.
_GRACE = 5
# Bytes that are read of a minute, by one call over all minutes, and at a time.
_MAX_BYTES = 16_000_000
_CALL_BYTES = 2_000_000
_PIECE = 250_000
# Steps of the latencies per doubling.
_STEPS = 16
_MAX_REASONS = 50


@dataclass
class Failures:
    """Failures of one reason: how many, and when the last one was (epoch seconds)."""

    code: str
    stage: str
    reason: str
    count: int = 0
    last: float = 0.0


@dataclass
class Minute:
    """One minute, which began at `start` (epoch seconds): sums over its verdicts."""

    start: int
    count: int = 0
    failures: int = 0
    waited: float = 0.0
    latencies: Counter[int] = field(default_factory=Counter)
    reasons: dict[tuple[str, str, str], Failures] = field(default_factory=dict)
    read: int = 0
    over: bool = False

    def add(self, entry: JournalEntry) -> None:
        """Count one verdict."""
        self.count += 1
        self.waited += entry.waited_ms
        self.latencies[_step(entry.took_ms)] += 1
        if entry.state == "complete":
            return
        self.failures += 1
        why = (entry.code, entry.stage, entry.reason)
        if why not in self.reasons and len(self.reasons) >= _MAX_REASONS:
            why = (entry.code if len(self.reasons) < 2 * _MAX_REASONS else "", "", "")
        group = self.reasons.setdefault(why, Failures(*why))
        group.count += 1
        # A hostile line may name any time.
        group.last = max(group.last, min(max(entry.time, self.start), self.start + MINUTE))

    def to_dict(self) -> dict[str, Any]:
        """The sums as JSON-ready values: milliseconds, None where there was no verdict."""
        return {
            "time": self.start,
            "count": self.count,
            "failures": self.failures,
            "p50_ms": quantile(self.latencies, 0.5),
            "p95_ms": quantile(self.latencies, 0.95),
            "waited_ms": round(self.waited / self.count, 1) if self.count else None,
        }


def _step(ms: float) -> int:
    return round(_STEPS * math.log2(max(ms, 0.1)))


def quantile(latencies: Counter[int], share: float) -> float | None:
    """The latency in ms that `share` (0..1) of the verdicts did not exceed, within 3 %.

    None without verdicts.
    """
    left = share * latencies.total()
    for step in sorted(latencies):
        left -= latencies[step]
        if left <= 1e-9:
            return float(f"{2 ** (step / _STEPS):.3g}")
    return None


class LastHour:
    """The figures of the queue in the folder `pool`. For one thread at a time."""

    def __init__(self, pool: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = os.path.join(pool, FOLDER)
        self._clock = clock
        self._minutes: dict[int, Minute] = {}

    def minutes(self) -> list[Minute]:
        """The last 60 minutes, oldest first; the last one is still running."""
        now = self._clock()
        latest = int(now // MINUTE) * MINUTE
        window = range(latest - (MINUTES - 1) * MINUTE, latest + 1, MINUTE)
        self._minutes = {start: self._minutes.get(start) or Minute(start) for start in window}
        room = _CALL_BYTES
        for minute in reversed(self._minutes.values()):
            if not minute.over and room > 0:
                room -= self._read(minute, room)
                minute.over = room > 0 and now >= minute.start + MINUTE + _GRACE
        return list(self._minutes.values())

    def _read(self, minute: Minute, room: int) -> int:
        """Count the lines added since the last call, at most `room` bytes; how many they were."""
        start = minute.read
        end = min(start + room, _MAX_BYTES)
        try:
            with open_plain(os.path.join(self._folder, str(minute.start))) as file:
                while minute.read < end:
                    piece = os.pread(file.fileno(), _PIECE, minute.read)
                    if not self._count(minute, piece):
                        break
        except OSError:
            pass  # there is none, or the disk is out of order; the next turn may find it mended
        return minute.read - start

    def _count(self, minute: Minute, piece: bytes) -> bool:
        """Count the whole lines of a piece; False when there are none, at the end of a file."""
        end = piece.rfind(b"\n") + 1
        if not end and len(piece) < _PIECE:
            return False  # half a line; its end is still to come
        end = end or len(piece)
        minute.read += end
        for line in piece[:end].splitlines():
            entry = JournalEntry.from_line(line)
            if entry is not None:
                minute.add(entry)
        return True


def summary(minutes: Iterable[Minute]) -> dict[str, Any]:
    """The sums over all minutes; the latencies in milliseconds, None without verdicts."""
    together = list(minutes)
    latencies: Counter[int] = Counter()
    for minute in together:
        latencies.update(minute.latencies)
    return {
        "count": sum(minute.count for minute in together),
        "failures": sum(minute.failures for minute in together),
        "p50_ms": quantile(latencies, 0.5),
        "p95_ms": quantile(latencies, 0.95),
    }


def per_minute(minutes: list[Minute], now: float) -> float:
    """Verdicts in the 60 seconds before `now`, estimated from whole minutes."""
    *_, before, running = minutes
    share = min(max(now - running.start, 0.0), MINUTE) / MINUTE
    return round(running.count + before.count * (1 - share), 1)


def reasons(minutes: Iterable[Minute]) -> list[Failures]:
    """Why jobs failed, the most frequent reason first."""
    groups: dict[tuple[str, str, str], Failures] = {}
    for minute in minutes:
        for why, failures in minute.reasons.items():
            group = groups.setdefault(why, Failures(*why))
            group.count += failures.count
            group.last = max(group.last, failures.last)
    return sorted(groups.values(), key=lambda group: (-group.count, -group.last))
