"""What every benchmark shares: rounds, rows of figures, ratios with their bars, and the report.

Machines are shared and noisy, so contenders take turns within a round, a row keeps every round's
value, and what is promised is a ratio of figures of one run, never an absolute one.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from scai.cli.text import progress_line, table

# Libraries whose version decides a figure.
LIBRARIES = (
    "tensorflow-cpu",
    "tensorflow",
    "openvino",
    "ai-edge-litert",
    "opencv-python-headless",
    "Pillow",
    "numpy",
    "flask",
    "granian",
    "watchdog",
)


@dataclass
class Row:
    """One figure: what was measured, its unit, and the value of each round (at least 3)."""

    name: str
    unit: str
    values: list[float]
    note: str = ""

    @property
    def median(self) -> float:
        """The middle value of the rounds."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The least value of the rounds."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The greatest value of the rounds."""
        return max(self.values)


@dataclass
class Ratio:
    """A figure that is promised: `bar` must be reached, `aim` is what we work towards.

    With `at_most`, smaller is better. `bar` and `aim` are None where nothing is promised.
    """

    name: str
    value: float
    bar: float | None
    aim: float | None
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass
class Report:
    """What one run of a benchmark found. `name` is that of its files, `title` is for people.

    `series` are curves for plots: name -> {"x": [...], "y": [...], "xlabel": text,
    "ylabel": text}; those with the same two labels share a plot. "xscale" or "yscale" may be "log".
    """

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=lambda: machine())
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S %z"))

    def add(self, name: str, unit: str, value: float, note: str = "") -> None:
        """Append a round's value to the row of that name and unit, made at its first value."""
        for row in self.rows:
            if (row.name, row.unit) == (name, unit):
                row.values.append(float(value))
                row.note = note or row.note
                return
        self.rows.append(Row(name, unit, [float(value)], note))

    def row(self, name: str, unit: str = "") -> Row:
        """The first row of that name, or the one of that unit too. Raises KeyError."""
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
        """Add a promised figure."""
        self.ratios.append(Ratio(name, float(value), bar, aim, at_most, note))

    def print(self) -> None:
        """Print the report as tables."""
        click.echo(self.table())

    def table(self) -> str:
        """The report as text."""
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
                    {True: "met", False: "MISSED", None: ""}[r.met],
                    r.note,
                )
                for r in self.ratios
            ]
            lines += [*_columns([head, *cells]), ""]
        return "\n".join(lines + [f"- {note}" for note in self.notes])

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
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
                    "met": r.met,
                    "note": r.note,
                }
                for r in self.ratios
            ],
            "notes": self.notes,
            "series": self.series,
        }

    def write(self, folder: Path) -> list[Path]:
        """Write <name>.json and the plots <name>-....png into `folder`; the files written."""
        from benchmarks._plots import draw

        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.name}.json"
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, default=float)
        file.write_text(text + "\n", encoding="utf-8")
        return [file, *draw(self, folder)]


def interleaved(rounds: int, contenders: Mapping[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """Call each contender once a round, one after the other, and collect what they return.

    Every round begins with the next contender, so that none always comes first or after the same
    one. Values stand in the order of the rounds.
    """
    names = list(contenders)
    found: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names) if names else 0
        for name in names[turn:] + names[:turn]:
            progress(f"round {number + 1} of {rounds}: {name}")
            found[name].append(contenders[name]())
    progress("")
    return found


def progress(text: str) -> None:
    """Say where we are: in place on a terminal, else a line each; "" clears the line."""
    if sys.stderr.isatty():
        progress_line(text[:100])
    elif text:
        click.echo(text, err=True)


def percentile(values: list[float], share: float) -> float:
    """The least of the values that at least `share` (0 to 1) of them do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def machine(folder: Path = Path(".")) -> dict[str, Any]:
    """This machine, and the file system that `folder` lies on."""
    processor = _from_file("/proc/cpuinfo", "model name") or platform.processor()
    memory = _from_file("/proc/meminfo", "MemTotal").split()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gb": round(int(memory[0]) / 1e6, 1) if memory else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": file_system(folder),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def file_system(folder: Path) -> str:
    """The kind of file system below `folder`; "unknown" where nobody tells."""
    best, kind = -1, "unknown"
    wanted = folder.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def versions() -> dict[str, str]:
    """Python's version, SCAI's, and those of the installed libraries that decide figures."""
    from scai import __version__

    found = {"python": platform.python_version(), "scai": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """How this program was called, without the folders of this machine."""
    return " ".join([Path(sys.argv[0]).name, *map(shlex.quote, sys.argv[1:])])


def _from_file(file: str, key: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


def _number(value: float) -> str:
    """Three figures, and whole thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _limit(value: float | None, at_most: bool) -> str:
    return "" if value is None else f"{'<=' if at_most else '>='} {_number(value)}"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as aligned lines with a rule below the first: columns 1 to 3 hold figures."""
    lines = table(rows, right=(1, 2, 3))
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
