"""The model before and after, side by side: quality, size, speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scai.cli.text import table
from scai.models.cards import CLASSIFICATION, ModelCard
from tools.common import model_choice
from tools.datasets.samples import DataSet
from tools.evaluate.evaluation import ModelEvaluation, evaluate_model
from tools.models.files import size_of
from tools.network_files import runners
from tools.shrink import calibration

ROUNDS = 20
MAX_LOSS = 0.02  # of a share 0..1, that a quantised model may lose without a warning


@dataclass(frozen=True)
class Row:
    """One model. `milliseconds`: of one inference on one core; `scores`: 0..1 by name.

    `first`: the top class of each picture that could be read.
    """

    name: str
    engine: str
    bytes: int
    milliseconds: float
    scores: dict[str, float]
    first: tuple[str, ...] = ()


def rows(
    cards: Mapping[str, ModelCard], data: DataSet | None, labelled: bool, batch: int
) -> list[Row]:
    """Evaluate each model as the worker runs it; a row each. Raises ScaiError, UserError."""
    engines, took = one_inference(list(cards.values()))
    measurements = []
    for place, (name, card) in enumerate(cards.items()):
        evaluation = evaluate_model(name, card, data, batch) if data else None
        scores = evaluation.scores.columns() if evaluation and labelled else {}
        first = _first(evaluation) if evaluation and card.kind == CLASSIFICATION else ()
        assert card.graph is not None
        size = size_of(card.graph)
        measurements.append(Row(name, engines[place], size, took[place], scores, first))
    return measurements


def one_inference(cards: Sequence[ModelCard]) -> tuple[list[str], list[float]]:
    """Time one inference on one core: each model's engine, and its milliseconds.

    The models take turns, so that other load on the machine affects all alike; the fastest counts.
    """
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with ExitStack() as stack:
        loaded = []
        for card in cards:
            loaded.append(model_choice.build(replace(card, threads=1), 1))
            stack.callback(loaded[-1].close)
        inputs = [recognizer.prepare(noise)[None] for recognizer in loaded]
        best = [float("inf")] * len(loaded)
        with calibration.bar(range(ROUNDS), "measuring") as rounds:
            for _ in rounds:
                for place, recognizer in enumerate(loaded):
                    run = recognizer.engine.infer
                    took = runners.milliseconds(run, inputs[place], 1)
                    best[place] = min(best[place], took)
        return [recognizer.engine.name for recognizer in loaded], best


def _first(evaluation: ModelEvaluation) -> tuple[str, ...]:
    return tuple(r.labels[0] if r.labels else "" for r in evaluation.answers.results)


def same(one: Row, other: Row) -> float | None:
    """Share of pictures with the same top class in both; None without pictures."""
    if not one.first or len(one.first) != len(other.first):
        return None
    return float(np.mean([a == b for a, b in zip(one.first, other.first, strict=True)]))


def lines(rows: Sequence[Row]) -> list[str]:
    """Format the table; the first row is the original model."""
    names = list(rows[0].scores)
    alike = [same(rows[0], r) for r in rows]
    compared = any(share is not None for share in alike)
    head = ["", "engine", "bytes", "of it", "ms, one core", *names]
    cells = [[*head, "same answer"] if compared else head]
    for row, share in zip(rows, alike, strict=True):
        line = [row.name, row.engine, f"{row.bytes:,}"]
        line += [f"{row.bytes / rows[0].bytes:.0%}", f"{row.milliseconds:.2f}"]
        line += [f"{row.scores[name]:.4f}" for name in names]
        cells.append([*line, "-" if share is None else f"{share:.1%}"] if compared else line)
    return table(cells)


def warnings(rows: Sequence[Row]) -> list[str]:
    """Write a sentence for each model that is clearly worse than the first."""
    sentences = []
    for row in rows[1:]:
        name = next(iter(row.scores), "")
        lost = rows[0].scores[name] - row.scores[name] if name else 0.0
        if lost > MAX_LOSS:
            sentences.append(f"{row.name} loses {lost:.3f} of {name}: consider another mode.")
    return ["", *sentences] if sentences else []


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw quality (or the share of same answers), size and time as bars into a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [("size in MB", [r.bytes / 1e6 for r in rows], "%.2f")]
    panels.append(("milliseconds on one core", [r.milliseconds for r in rows], "%.1f"))
    alike = [same(rows[0], r) for r in rows]
    if rows[0].scores:
        name = next(iter(rows[0].scores))
        panels.insert(0, (name, [r.scores[name] for r in rows], "%.3f"))
    elif None not in alike:
        panels.insert(0, ("same answer as before", [s or 0.0 for s in alike], "%.3f"))
    figure = Figure((3.6 * len(panels) + 1, 0.45 * len(rows) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, values, form) in zip(
        np.ravel(figure.subplots(1, len(panels), sharey=True)), panels, strict=True
    ):
        bars = axes.barh([r.name for r in rows], values, color="#4477aa")
        axes.bar_label(bars, fmt=form, padding=2, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.margins(x=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    figure.savefig(path, dpi=110, metadata={"Software": ""})
