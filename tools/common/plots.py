"""Diagrams as PNG files, drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from tools.common.files import publish

matplotlib.use("Agg")

from matplotlib import pyplot as pyplot  # noqa: E402, the choice of Agg comes first

DOTS_PER_INCH = 110
MAX_TICKS = 40


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all, and free it. Raises OSError."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DOTS_PER_INCH)
    pyplot.close(figure)
    publish(path, data.getvalue())


def learning_curves(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> Any:
    """Draw values against the steps of a training; curves: name -> (steps, values)."""
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, label=name)
    axes.set_xlabel("step")
    if curves:
        axes.legend()
    return figure


def ticks(axis: Any, names: Sequence[str], offset: float = 0.0) -> None:
    """Write the names along an axis; only every few where they would overlap."""
    step = -(-len(names) // MAX_TICKS)
    places = range(0, len(names), step)
    axis.set_ticks([place + offset for place in places], [names[place][:24] for place in places])
