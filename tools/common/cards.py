"""Model cards: card.json for programs, card.md for people, the same facts in both."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from tools.common.files import publish

LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "opencv-python-headless")
MNIST = (
    "MNIST handwritten digits (Y. LeCun, C. Cortes, C. Burges), licence CC BY-SA 3.0; "
    "60,000 training digits and the test digits of the same archive"
)
LICENCE = "CC BY-SA 3.0, as the data it was trained on"


@dataclass(frozen=True)
class Card:
    """Facts about one model: purpose, input, output, quality, training.

    input, output: words and numbers by name
    metrics: numbers by name, as `measured_with` prints them
    files: name -> {"bytes": ..., "sha256": ...}
    """

    name: str
    task: str
    summary: str
    classes: tuple[str, ...]
    input: Mapping[str, object]
    output: Mapping[str, object]
    metrics: Mapping[str, float]
    measured_with: str
    trained_with: str
    limits: tuple[str, ...]
    data: str = MNIST
    licence: str = LICENCE
    date: str = field(default_factory=lambda: date.today().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    files: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.classes or not self.metrics:
            raise ValueError(f"card of {self.name}: expected classes and metrics, got none")


def versions() -> dict[str, str]:
    """Version of Python and of each installed library that a training uses."""
    numbers = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return numbers


def public_path(path: Path) -> str:
    """A path as a card may state it: relative as given, or else the bare name."""
    return path.name if path.is_absolute() else path.as_posix()


def flags(
    params: Sequence[click.Parameter], values: Mapping[str, Any], but: Collection[str]
) -> str:
    """Arguments and options of a command line, but not defaults and what is named in `but`.

    params: the arguments and options of the command; values: their values, by name
    """
    words: list[str] = []
    for option in params:
        name = option.name or ""
        value = values[name]
        if name in but or value in (None, (), option.default):
            continue
        if isinstance(value, bool):
            words += option.opts[:1] if value else option.secondary_opts[:1]
            continue
        for one in value if isinstance(value, tuple) else (value,):
            path = isinstance(one, Path) or str(one).startswith("/")
            flag = [] if isinstance(option, click.Argument) else option.opts[:1]
            words += [*flag, public_path(Path(one)) if path else str(one)]
    return shlex.join(words)


def commands(command: str, runs: Sequence[str]) -> str:
    """The command lines that made a model, each resuming the one before it."""
    return " && ".join(
        f"{command} {flags}".strip() + (" --resume" if i else "") for i, flags in enumerate(runs)
    )


def count_text(counts: Mapping[str, int]) -> str:
    """Numbers in words, as in "80 train, 10 validation, 10 test"."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def file_facts(directory: Path, names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Size and SHA-256 of each file, for `Card.files`."""
    facts = {}
    for name in names:
        content = (directory / name).read_bytes()
        facts[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return facts


def write(card: Card, directory: Path) -> None:
    """Write card.json and card.md into `directory`."""
    publish(directory / "card.json", json.dumps(asdict(card), indent=2) + "\n")
    publish(directory / "card.md", as_markdown(card))


def as_markdown(card: Card) -> str:
    """The card for people."""
    parts = [
        f"# {card.name}",
        card.summary,
        _table({"task": card.task, "classes": ", ".join(card.classes), "licence": card.licence}),
        "## Input",
        _table(card.input),
        "## Output",
        _table(card.output),
        "## How good it is",
        _table(card.metrics),
        f"Measured on {card.date} with\n\n    {card.measured_with}",
        "## What it cannot do",
        "\n".join(f"- {limit}" for limit in card.limits),
        "## How it came about",
        f"Data: {card.data}.",
        f"Trained with\n\n    {card.trained_with}",
        _table(card.versions),
        "## Files",
        "\n".join(
            ["| file | bytes | SHA-256 |", "|---|---|---|"]
            + [f"| {n} | {f['bytes']} | `{f['sha256']}` |" for n, f in card.files.items()]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(facts: Mapping[str, object]) -> str:
    rows = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join(["| | |", "|---|---|", *rows])
