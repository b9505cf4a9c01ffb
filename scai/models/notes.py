"""What a card.json beside a model says, read with distrust: it may come from anywhere.

Whatever is missing, of a wrong type or too long is left out; nothing here raises for the content.
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
# The longest of each, in characters or entries.
LONGEST_TEXT, LONGEST_NAME, MOST_LINES, MOST_METRICS, MOST_FILES = 4000, 120, 40, 400, 60
# A picture of the card: its name, its bytes, its pixels a side.
_PLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\.png")
_MOST_BYTES, _MOST_PIXELS, _MOST_PLOTS = 4_000_000, 10_000, 12
# What the training tools draw, in the order in which it tells most.
_DRAWN = ("confusion", "classes", "pr", "precision-recall", "curves", "reliability")
_PNG = b"\x89PNG\r\n\x1a\n"
# The first that a metric's name matches says how telling it is, and its unit.
_TELLING = tuple(
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


def text(value: object, longest: int = LONGEST_TEXT) -> str:
    """`value` if it is text, on one line, without control characters, cut; else ""."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(c if ord(c) >= 32 and c != "\x7f" else " " for c in value).split())
    # Half a surrogate pair, which JSON allows, cannot be sent.
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def number(value: object) -> int | float | None:
    """`value` if it is a number that anybody can show, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if abs(value) < 1e15 else None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def texts(value: object, longest: int = LONGEST_TEXT, most: int = MOST_LINES) -> list[str]:
    """The texts of a list, at most so many; of one text, that one."""
    found = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [line for line in (text(item, longest) for item in found[:most]) if line]


@dataclass(frozen=True)
class Metric:
    """One figure of a model; `unit` is "share" (0..1), "ms" or "".

    `label` is the thing it was measured for, and "" for the model as a whole; `title` is its name
    without the label.
    """

    name: str
    value: int | float
    unit: str
    title: str
    label: str = ""


@dataclass(frozen=True)
class Plot:
    """A picture that came with a model; pixels. `mark` changes with its content."""

    name: str
    width: int
    height: int
    mark: str


@dataclass(frozen=True)
class Notes:
    """The content of a card.json, clean; `there` says whether there is one."""

    told: Mapping[str, Any]
    there: bool

    @classmethod
    def read(cls, folder: Path) -> Notes:
        """Those of a model's folder; empty ones where there is no card or none to be read."""
        try:
            return cls(read_object(str(folder / NAME)), True)
        except (NotFound, BadSession, OSError):
            return cls({}, False)

    def say(self, key: str, longest: int = LONGEST_TEXT) -> str:
        """The text under `key`, or ""."""
        return text(self.told.get(key), longest)

    def lines(self, key: str) -> list[str]:
        """The sentences under `key`."""
        return texts(self.told.get(key))

    def size(self, key: str) -> int | None:
        """Pixels of the input: `key` is "width" or "height"."""
        found = self._under("input").get(key)
        value = number(found)
        return value if isinstance(value, int) and 0 < value <= 100_000 else None

    def input_text(self, key: str) -> str:
        """One word or sentence about the input, such as "resize"."""
        return text(self._under("input").get(key), LONGEST_NAME)

    def metrics(self, labels: Iterable[str]) -> list[Metric]:
        """The figures, most telling first; those of one label after all others."""
        known = set(labels)
        found = []
        for raw_name, raw in list(self._under("metrics").items())[:MOST_METRICS]:
            name, value = text(raw_name, LONGEST_NAME), number(raw)
            if name and value is not None:
                found.append(_metric(name, value, known))
        return sorted(found, key=lambda metric: (metric.label != "", _rank(metric.title)))

    def named_files(self) -> list[str]:
        """The names of files that the card lists; bare names only."""
        names = [text(name, LONGEST_NAME) for name in list(self._under("files"))[:MOST_FILES]]
        return [name for name in names if name and "/" not in name and not name.startswith(".")]

    def _under(self, key: str) -> Mapping[str, Any]:
        found = self.told.get(key)
        return found if isinstance(found, dict) else {}


def _metric(name: str, value: int | float, labels: set[str]) -> Metric:
    match = _OF_LABEL.fullmatch(name)
    title, label = (match[1], match[2]) if match and match[2] in labels else (name, "")
    rank = _rank(title)
    unit = _TELLING[rank][1] if rank < len(_TELLING) else ""
    if unit == "share" and not 0 <= value <= 1:
        unit = ""
    return Metric(name, value, unit, title, label)


def _rank(name: str) -> int:
    """The place among the telling ones; behind all of them for an unknown one."""
    matches = (at for at, (pattern, _) in enumerate(_TELLING) if pattern.fullmatch(name))
    return next(matches, len(_TELLING))


def plots(folder: Path, notes: Notes) -> list[Plot]:
    """The pictures of a model: those its card lists or our tools draw, and no others.

    A model without a card has none, for its folder may be anybody's.
    """
    if not notes.there:
        return []
    drawn = [f"{name}.png" for name in _DRAWN]
    wanted = dict.fromkeys([*drawn, *notes.named_files()])
    found: list[Plot] = []
    for name in wanted:
        read = _plain_file(folder, name, 24) if _PLOT.fullmatch(name) else None
        if read is not None and len(read[0]) == 24 and read[0].startswith(_PNG + b"\0\0\0\rIHDR"):
            sides = int.from_bytes(read[0][16:20]), int.from_bytes(read[0][20:24])
            if all(0 < side <= _MOST_PIXELS for side in sides):
                found.append(Plot(name, *sides, read[1]))
    return found[:_MOST_PLOTS]


def plot_bytes(folder: Path, name: str) -> tuple[bytes, str] | None:
    """Content and mark of one of `plots`, or None when it is gone."""
    return _plain_file(folder, name, _MOST_BYTES)


def _plain_file(folder: Path, name: str, most: int) -> tuple[bytes, str] | None:
    """The first `most` bytes of a plain file and its mark; None for a link, a pipe, a giant."""
    try:
        with open_plain(folder / name) as file:
            told = os.fstat(file.fileno())
            if told.st_size > _MOST_BYTES:
                return None
            return file.read(most), f"{told.st_mtime_ns:x}-{told.st_size:x}"
    except OSError:
        return None
