"""Models as text for people, and the progress of a download."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from scai.cli.text import progress_line
from scai.monitoring.units import human_age, human_bytes
from tools.models.catalogue import CatalogueEntry

# Seconds between two repaints of a progress line.
_PAUSE = 0.1


def offer(entry: CatalogueEntry) -> dict[str, Any]:
    """Return an entry of the catalogue as JSON-ready values."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "title": entry.title,
        "licence": entry.licence,
        "bytes": entry.size,
        "source": entry.source,
        "files": [
            {"file": file.file, "url": file.url, "sha256": file.sha256}
            for file in (entry.graph, entry.labels)
        ],
    }


def table(rows: Sequence[Mapping[str, Any]], offers: Sequence[CatalogueEntry]) -> str:
    """List the installed models, then those of the catalogue, a line each."""
    lines = [f"{'installed':<26}{'kind':<22}{'size':>9}  {'engine':<12}"]
    for row in rows:
        start = f"{row['name']:<26}{row['kind']:<22}"
        if "alias_of" in row:
            lines.append(f"{start}{'':>9}  refers to {row['alias_of']}")
        elif not row["files"]:
            lines.append(f"{start}{'':>9}  cannot be used: {row['problem']}")
        else:
            size = human_bytes(row["bytes"]) if row["graph"] else "-"
            lines.append(f"{start}{size:>9}  {row['engine']:<12}{row['graph'] or ''}".rstrip())
            lines += [f"    {key} {value}" for key, value in row["metrics"].items()]
    lines += ["", "available with scai models pull NAME"]
    for entry in offers:
        lines.append(f"{entry.name:<26}{entry.kind:<22}{human_bytes(entry.size):>9}")
        lines.append(f"    {entry.title} ({entry.licence})")
    return "\n".join(lines)


def details(model: Mapping[str, Any]) -> str:
    """List the details of one model, as `facts.details` gives them, a line each."""
    lines = [f"{key:<18} {value}" for key, value in model["card"].items()]
    for file in model["files"]:
        lines.append(f"{'file':<18} {file['path']}, {human_bytes(file['bytes'])}")
        if file["sha256"]:
            lines.append(f"{'':<18} sha256 {file['sha256']}")
    for key, value in model["facts"].items():
        if isinstance(value, dict):
            value = [f"{name} {number}" for name, number in value.items()]
        for i, line in enumerate(value if isinstance(value, list) else [value]):
            lines.append(f"{key if i == 0 else '':<18} {line}")
    if model["measured"]:
        lines += _speeds(model["measured"])
    if "run" in model:
        lines += _run(model["run"])
    return "\n".join(lines)


def _speeds(record: Mapping[str, Any]) -> list[str]:
    """List what a worker measured of a model on this machine."""
    speeds = record["images_per_s"]
    lines = [
        f"{'measured':<18} {record['date'][:10]}: {record['engine']}, {record['plan']}",
        f"{'':<18} one at a time {speeds['single']} images/s, "
        f"{record['plain_engine']} plain {speeds['plain_single']}",
        f"{'':<18} batches of {record['batch']} {speeds['batch']} images/s, "
        f"{record['plain_engine']} plain {speeds['plain_batch']}",
    ]
    return lines + [f"{'':<18} not {name}: {why}" for name, why in record["refused"].items()]


def _run(run: Mapping[str, Any]) -> list[str]:
    def tensor(spec: Mapping[str, Any]) -> str:
        sides = ", ".join("any" if side is None else str(side) for side in spec["shape"])
        return f"{spec['name']} ({sides}) {spec['dtype']}"

    outputs = [f"{'output':<18} {tensor(spec)}" for spec in run["outputs"]]
    return [
        f"{'runs on':<18} {run['engine']}, loaded in {run['load_s']} s",
        f"{'input':<18} {tensor(run['input'])}",
        *outputs,
        f"{'one picture':<18} {run['latency_ms']} ms (median of {run['runs']}), "
        f"{run['images_per_s']} images/s",
    ]


class Bar:
    """A progress line with the time left on a terminal; elsewhere one line at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = time.monotonic()
        self._first: int | None = None
        self._painted = 0.0
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int | None) -> None:
        """Show that `done` bytes of `total` (None: unknown) have arrived."""
        if self._first is None:
            # Bytes of an earlier call say nothing of today's speed.
            self._first, self._start = done, time.monotonic()
        now = time.monotonic()
        whole = done == total
        if self._live and (whole or now - self._painted >= _PAUSE):
            self._painted = now
            text = progress(self._name, done, total, done - self._first, now - self._start)
            progress_line(text)
            if whole:
                click.echo(err=True)
        elif whole:
            click.echo(f"{self._name}: {human_bytes(done)} downloaded", err=True)


def progress(name: str, done: int, total: int | None, fresh: int, seconds: float) -> str:
    """Return a line such as "x.zip  45 %  1.2 MB of 2.7 MB  3 s left".

    `fresh` of the `done` bytes arrived during the last `seconds`.
    """
    if total is None:
        return f"{name}  {human_bytes(done)}"
    text = f"{name}  {done / max(total, 1):.0%}  {human_bytes(done)} of {human_bytes(total)}"
    if fresh > 0 and done < total:
        text += f"  {human_age((total - done) * seconds / fresh)} left"
    return text
