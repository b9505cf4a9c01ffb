"""Charts of the status page: round numbers for a scale, bars and lines as SVG paths.

Charts are drawn in their own units, x from 0 to the number of points, y from 0 (top) to HEIGHT,
and stretched by the page; words and numbers beside them are the page's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

HEIGHT = 100
_BAR = 0.72


def top_of_scale(highest: float, least: float = 1.0) -> float:
    """The smallest of 1, 2, 4, 6, 8, 10, 20 … that is no less than both; its half is round too."""
    value = max(highest, least)
    if not math.isfinite(value) or value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    for factor in (1, 2, 4, 6, 8, 10):
        if factor * unit >= value * (1 - 1e-9):
            return factor * unit
    raise AssertionError("unreachable")


def bars(values: Sequence[float], top: float, under: Sequence[float] = ()) -> str:
    """A path of upright bars, one for each value, standing on those of `under`; "" for none."""
    parts = []
    for number, value in enumerate(values):
        base = under[number] if under else 0.0
        if value > 0:
            low, high = _y(base, top), _y(base + value, top)
            left = number + (1 - _BAR) / 2
            parts.append(f"M{left:.2f} {low}V{high}h{_BAR}V{low}z")
    return "".join(parts)


def line(values: Sequence[float | None], top: float) -> str:
    """A path through the middles of the values' places, broken where there is None."""
    parts, drawing = [], False
    for number, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        # A point alone is a line of no length, which round ends make visible.
        alone = not drawing and (number + 1 == len(values) or values[number + 1] is None)
        parts.append(f"{'L' if drawing else 'M'}{number + 0.5} {_y(value, top)}")
        parts.append("h0" if alone else "")
        drawing = True
    return "".join(parts)


def _y(value: float, top: float) -> float:
    return round(HEIGHT * (1 - min(value / top, 1.0)), 2)
