"""A batch as a table in CSV: a row for each prediction, and one for each photo without any."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scai.storage.csv_safety import harmless

_BOX = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("name", "state", "model", "rank", "label", "score", *_BOX, "error", "task")
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
        writer.writerows([harmless(cell) for cell in row] for row in _rows(item, verdict))
        if number % _TOGETHER == 0:
            yield _drained(out)
    yield _drained(out)


def _rows(item: Mapping[str, Any], verdict: Mapping[str, Any]) -> Iterator[list[object]]:
    found = verdict.get("predictions")
    # Of a foreign worker, everything may be of any type.
    found = [p for p in found if isinstance(p, dict)] if isinstance(found, list) else []
    name, task = item["name"], item.get("task", "")
    model, error = item.get("model", ""), item.get("error", "")
    for rank, prediction in enumerate(found or [{}], 1):
        box = prediction.get("box")
        place = [box.get(side, "") if isinstance(box, dict) else "" for side in _BOX]
        label, score = prediction.get("label", ""), prediction.get("score", "")
        numbered = rank if prediction else ""
        yield [name, item["state"], model, numbered, label, score, *place, error, task]


def _drained(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode("utf-8", "backslashreplace")
