"""A batch as a table in CSV: a row for each prediction, and one for each photo without any."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scai.storage.csv_safety import harmless

_BOX = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("name", "state", "model", "rank", "label", "score", *_BOX, "error", "task")
# The byte order mark, without which spreadsheets do not read UTF-8.
_MARK = "\ufeff"
# Items whose rows are sent together.
_ROWS = 200


def table(items: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[bytes]:
    """The lines of the table, of items as `BatchItem.to_dict` gives them and their results."""
    out = io.StringIO(_MARK)
    out.seek(0, 2)
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number, (item, verdict) in enumerate(items, 1):
        writer.writerows([harmless(cell) for cell in row] for row in _rows(item, verdict))
        if number % _ROWS == 0:
            yield _drain(out)
    yield _drain(out)


def _rows(item: Mapping[str, Any], verdict: Mapping[str, Any]) -> Iterator[list[object]]:
    predictions = verdict.get("predictions")
    # Of a foreign worker, everything may be of any type.
    predictions = predictions if isinstance(predictions, list) else []
    predictions = [each for each in predictions if isinstance(each, dict)]
    name, task = item["name"], item.get("task", "")
    model, error = item.get("model", ""), item.get("error", "")
    for rank, prediction in enumerate(predictions or [{}], 1):
        box = prediction.get("box")
        place = [box.get(side, "") if isinstance(box, dict) else "" for side in _BOX]
        label, score = prediction.get("label", ""), prediction.get("score", "")
        numbered = rank if prediction else ""
        yield [name, item["state"], model, numbered, label, score, *place, error, task]


def _drain(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode("utf-8", "backslashreplace")
