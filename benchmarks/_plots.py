"""Draw the plots of a report: bars for its rows, one plot per unit, and its curves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.report import Report, Row

_COLOURS = ("#1f5f8b", "#d1703c", "#4c8c4a", "#8a5a9c", "#a8893a", "#5b6770")
# A larger ratio of bars in one plot needs a logarithmic axis.
_WIDE = 50


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw the rows and curves of the report into `folder`; returns the files."""
    import matplotlib

    matplotlib.use("Agg")
    files = []
    for unit in dict.fromkeys(row.unit for row in report.rows):
        rows = [row for row in report.rows if row.unit == unit]
        file = folder / f"{report.name}-{_slug(unit)}.png"
        _bars(report.title, unit, rows, file)
        files.append(file)
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for name, one in report.series.items():
        groups.setdefault((one["xlabel"], one["ylabel"]), {})[name] = one
    for (across, up), curves in groups.items():
        file = folder / f"{report.name}-{_slug(up)}-by-{_slug(across)}.png"
        _curves(report.title, across, up, curves, file)
        files.append(file)
    return files


def _bars(title: str, unit: str, rows: list[Row], file: Path) -> None:
    """Draw a panel for each group of rows, whose names share the text before a colon."""
    from matplotlib import pyplot

    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name.rpartition(": ")[0], []).append(row)
    heights = [len(group) + 1.2 for group in groups.values()]
    figure, panels = pyplot.subplots(
        len(groups),
        figsize=(9, 0.8 + 0.34 * sum(heights)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for axes, (name, group) in zip(panels[:, 0], groups.items(), strict=True):
        _panel(axes, group)
        axes.set_title(name, fontsize=9, loc="left")
    axes.set_xlabel(f"{unit} (median; whiskers: least and greatest round)")
    figure.suptitle(title, fontsize=10)
    _finish(figure, file)


def _panel(axes: Any, rows: list[Row]) -> None:
    middles = [row.median for row in rows]
    spans = [[r.median - r.low for r in rows], [r.high - r.median for r in rows]]
    places = range(len(rows))
    axes.barh(places, middles, xerr=spans, color=_COLOURS[0], height=0.62, ecolor="#333333")
    if min(middles) > 0 and max(middles) > _WIDE * min(middles):
        axes.set_xscale("log")
    for place, row in zip(places, rows, strict=True):
        text = f"{row.median:,.3g}" if row.median < 1000 else f"{row.median:,.0f}"
        beside = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(text, (row.high, place), **beside)
    axes.set_yticks(list(places), [row.name.rpartition(": ")[2] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    _tidy(axes, "x")


def _curves(
    title: str, across: str, up: str, curves: dict[str, dict[str, Any]], file: Path
) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for number, (name, one) in enumerate(curves.items()):
        mark = "o" if len(one["x"]) <= 30 else None
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(one["x"], one["y"], label=name, color=colour, marker=mark, markersize=4)
        axes.set_xscale(one.get("xscale", axes.get_xscale()))
        axes.set_yscale(one.get("yscale", axes.get_yscale()))
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=10, loc="left")
    _tidy(axes, "both")
    _finish(figure, file)


def _tidy(axes: Any, grid: str) -> None:
    axes.grid(axis=grid, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _finish(figure: Any, file: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(file, dpi=130)
    pyplot.close(figure)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("/", "-per-")).strip("-") or "plot"
