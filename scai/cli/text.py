"""Text for people on a terminal: tables and a line of progress."""

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


def progress_line(text: str) -> None:
    """Replace the last line of a terminal by `text`; "" clears it. Silent elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
