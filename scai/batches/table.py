"""A batch as a table in CSV: a row for each prediction, and one for each photo without any.

Spreadsheets run what begins like a formula, and names and labels come from strangers: such a text
gets a quote in front (OWASP CSV Injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_BOX = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("name", "state", "model", "rank", "label", "score", *_BOX, "error", "task")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Without it, spreadsheets take UTF-8 for something else.
_MARK = "\ufeff"
# Rows sent together.
_TOGETHER = 200


def table(items: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[bytes]:
    """The lines of the table for items as `Item.told` gives them, each with its whole verdict."""
    out = io.StringIO(_MARK)
    out.seek(0, 2)
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number, (item, verdict) in enumerate(items, 1):
        writer.writerows(_rows(item, verdict))
        if number % _TOGETHER == 0:
            yield _drained(out)
    yield _drained(out)


def _rows(item: Mapping[str, Any], verdict: Mapping[str, Any]) -> Iterator[list[object]]:
    found = verdict.get("predictions") or [{}]
    name, task = _safe(item["name"]), item.get("task", "")
    model, error = _safe(item.get("model", "")), _safe(item.get("error", ""))
    for rank, prediction in enumerate(found, 1):
        box = prediction.get("box") or {}
        place = [box.get(side, "") for side in _BOX]
        label, score = _safe(prediction.get("label", "")), prediction.get("score", "")
        numbered = rank if prediction else ""
        yield [name, item["state"], model, numbered, label, score, *place, error, task]


def _safe(text: object) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = str(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _drained(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode("utf-8", "backslashreplace")
