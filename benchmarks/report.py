"""The report of a benchmark: rows of figures, and ratios with their bars.

A row keeps every round's value. Promises are ratios between figures of one run, never absolute
figures.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import click

from benchmarks._machine import command_line, machine, versions
from scai.cli.text import table


@dataclass
class Row:
    """One figure: its name, its unit, and the value of each round (at least 3)."""

    name: str
    unit: str
    values: list[float]
    note: str = ""

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """Minimum of the rounds."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Maximum of the rounds."""
        return max(self.values)


@dataclass
class Ratio:
    """A ratio: `bar` must be reached, `aim` is the goal.

    With `at_most`, smaller is better. `bar` and `aim` are None where nothing is promised.
    """

    name: str
    value: float
    bar: float | None
    aim: float | None
    at_most: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass
class Report:
    """The results of one run. `name` is that of its files, `title` is for people.

    `series` are curves for plots: name -> {"x": [...], "y": [...], "xlabel": text,
    "ylabel": text}; those with the same two labels share a plot. "xscale" or "yscale" may be "log".
    """

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=machine)
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S %z"))

    def add(self, name: str, unit: str, value: float, note: str = "") -> None:
        """Add a round's value to the row of that name and unit; the first value makes the row."""
        for row in self.rows:
            if (row.name, row.unit) == (name, unit):
                row.values.append(float(value))
                row.note = note or row.note
                return
        self.rows.append(Row(name, unit, [float(value)], note))

    def row(self, name: str, unit: str = "") -> Row:
        """Return the first row of that name, and of that unit if any. Raises KeyError."""
        for row in self.rows:
            if row.name == name and unit in ("", row.unit):
                return row
        raise KeyError(name)

    def ratio(
        self,
        name: str,
        value: float,
        bar: float | None = None,
        aim: float | None = None,
        at_most: bool = False,
        note: str = "",
    ) -> None:
        """Add a ratio."""
        self.ratios.append(Ratio(name, float(value), bar, aim, at_most, note))

    def print(self) -> None:
        """Print the report as tables."""
        click.echo(self.table())

    def table(self) -> str:
        """Format the report as text."""
        lines = ["", self.title, ""]
        if self.rows:
            head = ("measured", "median", "low", "high", "unit", "")
            cells = [
                (r.name, _number(r.median), _number(r.low), _number(r.high), r.unit, r.note)
                for r in self.rows
            ]
            lines += [*_columns([head, *cells]), ""]
        if self.ratios:
            head = ("compared", "value", "bar", "aim", "", "")
            cells = [
                (
                    r.name,
                    _number(r.value),
                    _limit(r.bar, r.at_most),
                    _limit(r.aim, r.at_most),
                    {True: "met", False: "MISSED", None: ""}[r.is_met],
                    r.note,
                )
                for r in self.ratios
            ]
            lines += [*_columns([head, *cells]), ""]
        return "\n".join(lines + [f"- {note}" for note in self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "name": self.name,
            "title": self.title,
            "date": self.date,
            "command": command_line(),
            "machine": self.machine,
            "versions": versions(),
            "rows": [
                {
                    "name": r.name,
                    "unit": r.unit,
                    "median": r.median,
                    "low": r.low,
                    "high": r.high,
                    "values": r.values,
                    "note": r.note,
                }
                for r in self.rows
            ],
            "ratios": [
                {
                    "name": r.name,
                    "value": r.value,
                    "bar": r.bar,
                    "aim": r.aim,
                    "at_most": r.at_most,
                    "met": r.is_met,
                    "note": r.note,
                }
                for r in self.ratios
            ],
            "notes": self.notes,
            "series": self.series,
        }


def _number(value: float) -> str:
    """Format a number with three digits, or all digits from 1000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _limit(value: float | None, at_most: bool) -> str:
    return "" if value is None else f"{'<=' if at_most else '>='} {_number(value)}"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Align rows, with a rule below the first; columns 1 to 3 are figures."""
    lines = table(rows, right=(1, 2, 3))
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
