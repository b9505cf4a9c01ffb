"""What ships beside a model: card.json for programs, card.md for people, the same facts in both."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path

from tools.common.files import publish

LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "opencv-python-headless")
MNIST = (
    "MNIST handwritten digits (Y. LeCun, C. Cortes, C. Burges), licence CC BY-SA 3.0; "
    "60,000 training digits and the test digits of the same archive"
)
LICENCE = "CC BY-SA 3.0, as the data it was trained on"


@dataclass(frozen=True)
class Card:
    """One model: what it is, what goes in, what comes out, how good it is, how it came about.

    input, output: plain words and numbers by name
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
    """Version of Python and of each library that had a hand in the training, where installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def shown(path: Path) -> str:
    """A path as a card may tell it: relative as given, or else the bare name."""
    return path.name if path.is_absolute() else path.as_posix()


def commands(command: str, legs: list[str]) -> str:
    """The trainings that made a model, the first from nothing, each other resuming the last."""
    return " && ".join(
        f"{command} {leg}" + (" --resume" if i else "") for i, leg in enumerate(legs)
    )


def described(directory: Path, names: list[str]) -> dict[str, dict[str, object]]:
    """Size and SHA-256 of each file, for `Card.files`."""
    facts = {}
    for name in names:
        content = (directory / name).read_bytes()
        facts[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return facts


def write(card: Card, directory: Path) -> None:
    """Put card.json and card.md into `directory`."""
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
