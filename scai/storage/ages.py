"""Ages by times of files, though the clock may have been set meanwhile.

The time of a file is the system clock's when it last changed. When the clock jumps ahead by days,
every file looks that much older, and when it jumps back, younger. So each look notes the clock in a
hidden file, `.clock`, together with the time since the machine's start, which no step moves. If the
clock has gone on by more or less than that, it was set, and the difference is no age.

A span is a stretch of the clock's times without a step. A file's time may lie in several spans,
after a step back; then the youngest age counts, because what is kept too long can still be removed.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scai.storage.clocks import boot_id, boot_time
from scai.storage.disk import Disk
from scai.storage.json_files import decode
from scai.storage.open_plain import open_plain

log = logging.getLogger(__name__)
_disk = Disk("off")

_FILE = ".clock"
# Differences up to this many seconds are drift, or a clock that is set a little.
_TOLERANCE = 30.0
# Older spans are forgotten. Who is so old that it would matter was removed long ago.
_MOST_SPANS = 50


@dataclass(frozen=True)
class Span:
    """The clock's times from `start` to `end`, when it was `ahead` s ahead of the first span.

    Both ends are as far apart as they can have been: the step was somewhere between two looks.
    """

    start: float = -math.inf
    end: float = math.inf
    ahead: float = 0.0


@dataclass(frozen=True)
class Look:
    """What the clock said, and the seconds since the machine's start, which `id` names."""

    wall: float
    boot: float
    id: str

    @classmethod
    def now(cls) -> Look:
        """What the clocks say now."""
        return cls(time.time(), boot_time(), boot_id())


@dataclass(frozen=True)
class Ages:
    """The ages of files at one moment: `now` is what the clock says, `spans` what it did before."""

    now: float
    spans: tuple[Span, ...] = (Span(),)

    def of(self, changed: float) -> float:
        """Seconds since the moment at which a file got that time, at least."""
        *earlier, last = self.spans
        # The last span ends now.
        spans = [*earlier, replace(last, end=min(last.end, self.now + _TOLERANCE))]
        # A time that is in none of them may belong to any.
        may_be = [span for span in spans if span.start <= changed <= span.end] or spans
        return self.now - changed - max(last.ahead - span.ahead for span in may_be)

    def true(self, age: float) -> float:
        """Correct an age that is just the difference between the clock and a file's time."""
        return self.of(self.now - age)


def read(folder: Path, *, keep: bool = True, look: Callable[[], Look] = Look.now) -> Ages:
    """The ages of files now, by the notes in that folder; the look is noted there with `keep`."""
    now = look()
    last, spans = _load(folder / _FILE)
    if last is not None:
        spans = _after(spans, last, now)
    if keep:
        _store(folder / _FILE, now, spans)
    return Ages(now.wall, spans)


def _after(spans: tuple[Span, ...], last: Look, now: Look) -> tuple[Span, ...]:
    """The spans at a look, from those at the last one."""
    passed = now.wall - last.wall
    # After a new start of the machine nobody knows how long it was off; the clock is believed, as
    # long as it does not go back.
    steady = now.boot - last.boot if now.id == last.id else max(0.0, passed)
    jump = passed - steady
    if abs(jump) <= _TOLERANCE:
        return spans
    log.warning("the system's clock was set by %+.0f s; this is not counted as age", jump)
    ended = replace(spans[-1], end=last.wall + steady + _TOLERANCE)
    begun = Span(start=last.wall + jump - _TOLERANCE, ahead=spans[-1].ahead + jump)
    kept = (*spans[:-1], ended, begun)[-_MOST_SPANS:]
    return (replace(kept[0], start=-math.inf), *kept[1:])


def _load(file: Path) -> tuple[Look | None, tuple[Span, ...]]:
    """The last look and the spans that were noted; what cannot be read counts as nothing."""
    try:
        with open_plain(str(file)) as opened:
            notes = decode(opened.read().decode())
        last = Look(float(notes["wall"]), float(notes["boot"]), str(notes["id"]))
        spans = tuple(
            Span(_number(start, -math.inf), _number(end, math.inf), float(ahead))
            for start, end, ahead in notes["spans"]
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None, (Span(),)
    return last, spans or (Span(),)


def _number(value: Any, if_none: float) -> float:
    return if_none if value is None else float(value)


def _store(file: Path, now: Look, spans: tuple[Span, ...]) -> None:
    notes = {
        "wall": now.wall,
        "boot": now.boot,
        "id": now.id,
        "spans": [[_finite(span.start), _finite(span.end), round(span.ahead, 3)] for span in spans],
    }
    try:
        _disk.publish(file, json.dumps(notes).encode(), durable=False)
    except OSError as error:
        # The disk is full: steps since the last note are found at the next one.
        log.warning("%s not written: %s", file, error)


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else round(value, 3)
