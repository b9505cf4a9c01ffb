"""The gain of each design decision in the worker: it drains a queue with each one undone.

No HTTP and no clients take part, so the processor is the worker's alone. The sessions are made
before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._photo import photo
from benchmarks.children import decisions as child
from benchmarks.children.child import Child
from benchmarks.harness import interleave
from benchmarks.installation.inputs import Subject, classification, detection
from benchmarks.report import Report

# Decisions to undo for each case, and the jobs of one round.
_CLASSIFICATION_CASES = (
    child.ONE_AT_A_TIME,
    child.NO_BATCHES,
    child.PLAIN_ENGINE,
    child.ALWAYS,
    child.OFF,
    child.ALL_IN_HELPERS,
    child.NO_HELPERS,
)
_DETECTION_CASES = (child.ONE_AT_A_TIME, child.OPENCV_PNG)
_LARGE = (child.FULL_SIZE,)
_JOBS = 240
_QUICK_JOBS = 24
_LARGE_PHOTO = (4000, 3000, 2500)


def run(rounds: int, quick: bool, out: Path) -> Report:
    """Run the benchmark; quick: the bundled classifier alone, with few jobs."""
    report = Report("decisions", "What each decision in the worker gains: jobs a second without it")
    folder = out / "decisions"
    jobs = _QUICK_JOBS if quick else _JOBS
    _measure(
        report, "640x480", classification(folder, None, quick), _CLASSIFICATION_CASES, rounds, jobs
    )
    if not quick:
        _measure(report, "12 Mpx", _large(folder / "large"), _LARGE, rounds, jobs // 4)
        _measure(
            report, "640x480", detection(folder, None, None), _DETECTION_CASES, rounds, jobs // 2
        )
    return report


def _large(folder: Path) -> Subject:
    """Make a photo of 12 megapixels for a model with RESIZE = area."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "photo.jpg"
    file.write_bytes(photo(*_LARGE_PHOTO))
    subject = classification(folder, file)
    subject.config.write_text(subject.config.read_text() + "RESIZE = area\n")
    return subject


def _measure(
    report: Report,
    photo_name: str,
    subject: Subject,
    undone: tuple[str, ...],
    rounds: int,
    jobs: int,
) -> None:
    """Report jobs a second and processor time, and the gain of each decision as a ratio."""
    place = f"{subject.name}, {photo_name}"
    with ExitStack() as open_children:
        calls: dict[str, Callable[[], dict[str, Any]]] = {}
        for undo in (child.AS_IT_IS, *undone):
            question = {
                "name": undo,
                "kind": subject.kind,
                "config": str(subject.config.resolve()),
                "photo": str(subject.photo.resolve()),
                "folder": str(subject.photo.parent.resolve() / f"drained-{len(calls)}"),
                "undo": undo,
            }
            contender = Child("benchmarks.children.decisions", question)
            open_children.callback(contender.close)
            calls[undo] = partial(contender.ask, {"count": jobs})
        results = interleave(rounds, calls)
    for undo, values in results.items():
        for value in values:
            report.add(f"{place}: {undo}", "jobs/s", value["per_second"])
            report.add(f"{place}: {undo}", "ms of processor a job", value["cpu_ms"])
    whole = report.row(f"{place}: {child.AS_IT_IS}", "jobs/s").median
    for undo in undone:
        without = report.row(f"{place}: {undo}", "jobs/s").median
        report.ratio(f"{place}: as it is / {undo}", whole / without)
