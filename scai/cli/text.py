"""Text for people on a terminal: tables, sizes, ages and a line of progress."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

import click


def table(
    rows: Sequence[Sequence[str]], *, right: Collection[int] | None = None, indent: int = 0
) -> list[str]:
    """Align rows in columns, one line for each; no rows give no lines.

    right: the columns aligned to the right, from 0; by default all but the first.
    indent: spaces before each line.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = range(1, len(widths)) if right is None else right
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines


def human_age(seconds: float) -> str:
    """Such as 0.3 s, 12 s, 5 min, 3 h, 2 d."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def human_bytes(count: int) -> str:
    """Such as 812 B, 1.4 MB."""
    if count < 1000:
        return f"{count} B"
    for size, unit in ((1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def progress_line(text: str) -> None:
    """Replace the last line of a terminal by `text`; "" clears it. Silent elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
