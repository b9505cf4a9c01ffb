"""The notes on a model in the card.json beside it, read with distrust: it may come from anywhere.

Whatever is missing, of a wrong type or too long is left out; no content raises an error.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai.errors import BadSession, NotFound
from scai.storage.json_files import read_object
from scai.storage.open_plain import open_plain

NAME = "card.json"
# Characters of a text and of a name; numbers of lines, metrics and files.
MAX_TEXT, MAX_NAME, MAX_LINES, MAX_METRICS, MAX_FILES = 4000, 120, 40, 400, 60
_PLOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\.png")
# Bytes of a plot, pixels along its sides, plots of a model.
_MAX_BYTES, _MAX_PIXELS, _MAX_PLOTS = 4_000_000, 10_000, 12
# The plots of the training tools, the most informative first.
_TOOL_PLOTS = ("confusion", "classes", "pr", "precision-recall", "curves", "reliability")
_PNG = b"\x89PNG\r\n\x1a\n"
# Bytes of a PNG file up to and with its height.
_PNG_HEAD = 24
# Patterns of metric names with their units, the most informative first; the first match counts.
_METRICS = tuple(
    (re.compile(pattern, re.IGNORECASE), unit)
    for pattern, unit in (
        (r"accuracy( \(test\)|_mnist_test|_test)?", "share"),
        (r"map[_@]0?\.?50?", "share"),
        (r"map@\[.*\]|map", "share"),
        (r"top.?\d.*", "share"),
        (r"mean average precision", "share"),
        (r"map.*75.*", "share"),
        (r"(precision|recall|f1)([_ @].*)?", "share"),
        (r"accuracy.*|map.*", "share"),
        (r"expected calibration error", "share"),
        (r".*average precision.*|ap@.*", "share"),
        (r".*_ms(_.*)?|.*\bms\b.*", "ms"),
    )
)
_OF_LABEL = re.compile(r"(.{1,80}?) of (.+)")


def text(value: object, max_length: int = MAX_TEXT) -> str:
    """A text as one line without control characters, cut to `max_length`; "" for anything else."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(c if ord(c) >= 32 and c != "\x7f" else " " for c in value).split())
    # Half a surrogate pair, which JSON allows, cannot be sent.
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def number(value: object) -> int | float | None:
    """A finite number below 10^15; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if abs(value) < 1e15 else None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def texts(value: object, max_length: int = MAX_TEXT, max_lines: int = MAX_LINES) -> list[str]:
    """The texts of a list, at most `max_lines`; a single text counts as a list of one."""
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [line for line in (text(item, max_length) for item in items[:max_lines]) if line]


@dataclass(frozen=True)
class Metric:
    """One figure of a model; `unit` is "share" (0..1), "ms" or "".

    `label` is the label that it is about, "" for the model as a whole; `title` is the name without
    the label.
    """

    name: str
    value: int | float
    unit: str
    title: str
    label: str = ""


@dataclass(frozen=True)
class Plot:
    """A picture in a model's folder; sides in pixels. `mark` changes with its content."""

    name: str
    width: int
    height: int
    mark: str


@dataclass(frozen=True)
class Notes:
    """The content of a card.json; `exists` says whether there is one.

    `values` is the raw content, and the methods return clean values.
    """

    values: Mapping[str, Any]
    exists: bool

    @classmethod
    def read(cls, folder: Path) -> Notes:
        """Read the notes in a model's folder; empty ones without a readable card."""
        try:
            return cls(read_object(str(folder / NAME)), True)
        except (NotFound, BadSession, OSError):
            return cls({}, False)

    def text(self, key: str, max_length: int = MAX_TEXT) -> str:
        """The text under `key`, or ""."""
        return text(self.values.get(key), max_length)

    def lines(self, key: str) -> list[str]:
        """The sentences under `key`."""
        return texts(self.values.get(key))

    def size(self, key: str) -> int | None:
        """Pixels of the input: `key` is "width" or "height"."""
        value = number(self._under("input").get(key))
        return value if isinstance(value, int) and 0 < value <= 100_000 else None

    def input_text(self, key: str) -> str:
        """One word or sentence about the input, such as "resize"."""
        return text(self._under("input").get(key), MAX_NAME)

    def metrics(self, labels: Iterable[str]) -> list[Metric]:
        """The figures, the most informative first; those of single labels after all others."""
        label_set = set(labels)
        metrics = []
        for raw_name, raw in list(self._under("metrics").items())[:MAX_METRICS]:
            name, value = text(raw_name, MAX_NAME), number(raw)
            if name and value is not None:
                metrics.append(_metric(name, value, label_set))
        return sorted(metrics, key=lambda metric: (metric.label != "", _rank(metric.title)))

    def file_names(self) -> list[str]:
        """The names of files that the card lists; bare names only."""
        names = [text(name, MAX_NAME) for name in list(self._under("files"))[:MAX_FILES]]
        return [name for name in names if name and "/" not in name and not name.startswith(".")]

    def _under(self, key: str) -> Mapping[str, Any]:
        value = self.values.get(key)
        return value if isinstance(value, dict) else {}


def _metric(name: str, value: int | float, labels: set[str]) -> Metric:
    match = _OF_LABEL.fullmatch(name)
    title, label = (match[1], match[2]) if match and match[2] in labels else (name, "")
    rank = _rank(title)
    unit = _METRICS[rank][1] if rank < len(_METRICS) else ""
    if unit == "share" and not 0 <= value <= 1:
        unit = ""
    return Metric(name, value, unit, title, label)


def _rank(name: str) -> int:
    """The place of a metric in the order; behind all others for an unknown one."""
    matches = (at for at, (pattern, _) in enumerate(_METRICS) if pattern.fullmatch(name))
    return next(matches, len(_METRICS))


def plots(folder: Path, notes: Notes) -> list[Plot]:
    """The plots of a model: those that its card lists or that our tools draw, and no others.

    A model without a card has none, for its folder may be anybody's.
    """
    if not notes.exists:
        return []
    names = dict.fromkeys([*(f"{name}.png" for name in _TOOL_PLOTS), *notes.file_names()])
    plots: list[Plot] = []
    for name in names:
        head = _plain_file(folder, name, _PNG_HEAD) if _PLOT_NAME.fullmatch(name) else None
        sides = _png_sides(head[0]) if head is not None else None
        if head is not None and sides is not None:
            plots.append(Plot(name, *sides, head[1]))
    return plots[:_MAX_PLOTS]


def _png_sides(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels by the first bytes of a PNG file; None for anything else."""
    if len(head) != _PNG_HEAD or not head.startswith(_PNG + b"\0\0\0\rIHDR"):
        return None
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    return (width, height) if 0 < width <= _MAX_PIXELS and 0 < height <= _MAX_PIXELS else None


def plot_bytes(folder: Path, name: str) -> tuple[bytes, str] | None:
    """Content and mark of one of `plots`, or None when it is gone."""
    return _plain_file(folder, name, _MAX_BYTES)


def _plain_file(folder: Path, name: str, count: int) -> tuple[bytes, str] | None:
    """The first `count` bytes of a plain file and its mark; None for a link, a pipe, a giant."""
    try:
        with open_plain(folder / name) as file:
            status = os.fstat(file.fileno())
            if status.st_size > _MAX_BYTES:
                return None
            return file.read(count), f"{status.st_mtime_ns:x}-{status.st_size:x}"
    except OSError:
        return None
