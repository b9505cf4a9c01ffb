"""The set-up of a measurement: the installation, the bare loop, the clients."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.children.child import Child
from benchmarks.installation.inputs import Subject
from benchmarks.installation.site import Site, end, free_port, start, wait_for
from benchmarks.load.clients import closed_loop
from benchmarks.load.talks import scai_talk
from benchmarks.report import Report
from scai.settings import ROOT

# Processor cores used by other programs that make a comparison unreliable.
_OTHERS = 0.2


def warning(others: float) -> str:
    """Write a warning when other programs used this many cores; "" for few."""
    return f"other programs took {others:.1f} cores: do not quote" if others > _OTHERS else ""


def alone(report: Report, subject: Subject, work: Path, clients: int) -> None:
    """Measure the processor time of the clients alone, which share the processor with SCAI."""
    work.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), work / "trivial.txt"
    command = [sys.executable, "-m", "benchmarks.load.trivial", str(port)]
    process = start(command, ROOT, {}, log)
    try:
        wait_for("ready", log, process)
        talk = scai_talk(subject.kind, subject.photo.read_bytes())
        outcome = closed_loop(("127.0.0.1", port), talk, clients, seconds=1.0)
    finally:
        end(process)
        log.unlink(missing_ok=True)
    report.add(f"{clients} clients, a server that does nothing", "images/s", outcome.per_second)
    report.add("the clients alone, processor", "ms/image", outcome.cpu_ms, outcome.why())


@contextmanager
def bare_loop(subject: Subject, trials: int) -> Iterator[Child]:
    """Start the bare loop of a subject in a process of its own."""
    child = Child(
        "benchmarks.installation.bare_loop",
        {
            "name": "the bare loop",
            "kind": subject.kind,
            "config": str(subject.config.resolve()),
            "photo": str(subject.photo.resolve()),
            "trials": trials,
        },
    )
    try:
        yield child
    finally:
        child.close()


@contextmanager
def site(
    subject: Subject,
    folder: Path,
    tree: Path = ROOT,
    keep: bool = False,
    more: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """Serve a subject from an installation in a folder of its own, which is removed at the end.

    `keep` leaves the folder, because some file systems create files slowly after many removals.
    `more`: environment variables of the installation.
    """
    shutil.rmtree(folder, ignore_errors=True)
    installation = Site(folder.resolve(), tree.resolve(), **subject.environment(), **(more or {}))
    try:
        yield installation
    finally:
        installation.stop()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def about(subject: Subject, bare: Child) -> str:
    """Describe the model of a subject, and the fastest way of the bare loop."""
    ways: dict[str, Any] = bare.facts["ways"]
    best = max(ways, key=lambda way: ways[way])
    others = ", ".join(f"{way} {rate:.0f}" for way, rate in ways.items() if way != best)
    return (
        f"{subject.name}: {subject.model} on {bare.facts['engine']}; the bare loop runs as "
        f"'{best}' ({ways[best]:.0f} images/s when tried; {others})"
    )
