"""The directory queue: uploads, pick-up, claims, depth, start-up and the cleaner.

It uses only what any program may use: DirectoryQueue, Session, purge, and the worker's command.
"""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path

import click

from benchmarks import _queue_parts as parts
from benchmarks._machine import file_system
from benchmarks.harness import progress
from benchmarks.report import Report

PARTS = ("uploads", "pick-up", "claims", "depth", "start-up", "purge")
OPTIONS = [
    click.Option(
        ["--part"],
        type=click.Choice(PARTS),
        multiple=True,
        help="Measure only this part. Repeatable.",
    )
]
_DEPTHS = [1_000, 10_000, 100_000, 1_000_000]


def run(rounds: int, quick: bool, out: Path, *, part: tuple[str, ...] = ()) -> Report:
    """Run the benchmark in a temporary folder below `out`."""
    report = Report("queue", "The queue folder")
    out.mkdir(parents=True, exist_ok=True)
    report.machine["file_system"] = file_system(out)
    depths = _DEPTHS[:3] if quick else _DEPTHS
    plan = {
        "uploads": partial(parts.uploads, seconds=0.15 if quick else 1.0),
        "pick-up": partial(parts.pick_up, tickets=60 if quick else 300),
        "claims": partial(parts.claims, tickets=1_000 if quick else 10_000),
        "depth": partial(parts.depth, depths=depths, seconds=0.5 if quick else 4.0),
        "start-up": partial(parts.start_up, tickets=10_000 if quick else 100_000),
        "purge": partial(parts.purges, sessions=2_000 if quick else 100_000),
    }
    work = Path(tempfile.mkdtemp(prefix="queue-", dir=out))
    try:
        for name, measure in plan.items():
            if part and name not in part:
                continue
            progress(f"{name}: preparing")
            (work / name).mkdir()
            measure(report, rounds, work / name)
    finally:
        progress("tidying up")
        # rm is twice as fast as Python for a million files.
        subprocess.run(["rm", "-rf", str(work)], check=False)
        progress("")
    return report
