"""Ages and sizes in the units that people choose, for pages and for the command line."""

from __future__ import annotations

_BYTE_UNITS = ((1e3, "kB"), (1e6, "MB"), (1e9, "GB"))


def human_age(seconds: float) -> str:
    """Format an age, such as 0.3 s, 12 s, 5 min, 3 h, 2 d."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def human_bytes(count: int) -> str:
    """Format a number of bytes, such as 812 B, 1.4 MB, 312 kB."""
    if count < 1000:
        return f"{count} B"
    size, unit = next(
        (size, unit) for size, unit in _BYTE_UNITS if count < 1000 * size or unit == "GB"
    )
    return f"{count / size:.{0 if count >= 100 * size else 1}f} {unit}"
