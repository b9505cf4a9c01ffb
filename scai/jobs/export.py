"""An archive of many sessions: photos, pictures and results in a ZIP that is made while it is sent.

    scai-history/summary.csv          a row for each photo, also for removed ones
    scai-history/photos/0001-cat.jpg  the picture as it was sent
    scai-history/annotated/0001-cat.png
    scai-history/results/0001-cat.json

Names are made here; of a client's file name only letters, digits and a few signs stay.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from scai.errors import BadSession, NotFound
from scai.storage.csv_safety import harmless
from scai.storage.json_files import to_bytes
from scai.storage.open_plain import open_plain
from scai.storage.session import Session

log = logging.getLogger(__name__)

FOLDER = "scai-history"
COLUMNS = (
    "number,name,kind,task,submitted,state,model,label,score,found,labels,error,photo,annotated,result"
).split(",")

_CHUNK = 256 * 1024
_MAX_STEM = 60  # characters
_STRANGE = re.compile(r"[^\w.()+ -]+")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
_OLDEST = time.mktime((1980, 1, 2, 0, 0, 0, 0, 0, -1))  # a ZIP knows no earlier time


@dataclass(frozen=True)
class ExportItem:
    """A photo to export. `name` is the client's for it, for the row of a session that is gone."""

    kind: str
    task: str
    key: str
    name: str = ""


Find = Callable[[str, str, str], Session]


def archive(items: Iterable[ExportItem], find: Find) -> Iterator[bytes]:
    """The ZIP in pieces of about 256 kB, so memory stays flat whatever it holds.

    `find(kind, task, key)` gives the session or raises NotFound. A session that cannot be found is
    only a row "gone" in the summary. Pictures are stored without compression.
    """
    sink = _Sink()
    rows: list[dict[str, object]] = []
    with ZipFile(sink, "w") as zipped:
        for number, each in enumerate(items, 1):
            row: dict[str, object] = {"number": number, "name": each.name}
            row |= {"kind": each.kind, "task": each.task, "state": "gone"}
            try:
                session = find(each.kind, each.task, each.key)
                yield from _session(zipped, sink, session, row)
            except (NotFound, BadSession):
                pass  # it may go at any moment; what was written of it stays
            except OSError as error:
                log.error("a photo is missing from an archive: %s", error)
            rows.append(row)
        zipped.writestr(_info("summary.csv", time.time(), ZIP_DEFLATED), summary(rows))
    yield sink.take()


def _session(
    zipped: ZipFile, sink: _Sink, session: Session, row: dict[str, object]
) -> Iterator[bytes]:
    """Write the files of one session and complete its row. Raises NotFound when it is gone."""
    record = session.record()
    result = session.result(record)
    moment = _moment(record)
    with _open(session.input_of(record)) as photo:
        suffix = Path(photo.name).suffix
        stem = f"{row['number']:04d}-{clean(str(record.get('filename', '')))}".rstrip("-")
        row |= _columns(result, moment)
        row["photo"] = f"photos/{stem}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        yield from _copy(zipped, sink, str(row["photo"]), moment, photo)
    annotated = session.picture_path
    if annotated is not None:
        with _open(annotated) as picture:
            row["annotated"] = f"annotated/{stem}.png"
            yield from _copy(zipped, sink, str(row["annotated"]), moment, picture)
    row["result"] = f"results/{stem}.json"
    text = to_bytes(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    zipped.writestr(_info(str(row["result"]), moment, ZIP_DEFLATED), text)
    yield sink.take()


def _copy(
    zipped: ZipFile, sink: _Sink, name: str, moment: float, file: IO[bytes]
) -> Iterator[bytes]:
    info = _info(name, moment, ZIP_STORED)
    info.file_size = os.fstat(file.fileno()).st_size
    with zipped.open(info, "w") as entry:
        while data := file.read(_CHUNK):
            entry.write(data)
            yield sink.take()


def _open(path: Path) -> IO[bytes]:
    """The file, which stays readable when its session is removed. Raises NotFound."""
    try:
        return open_plain(path)
    except OSError:
        raise NotFound("no such session") from None


def _info(name: str, moment: float, how: int) -> ZipInfo:
    info = ZipInfo(f"{FOLDER}/{name}", time.localtime(max(moment, _OLDEST))[:6])
    info.compress_type = how
    info.external_attr = 0o644 << 16
    return info


def _moment(record: Mapping[str, Any]) -> float:
    created = record.get("created")
    return float(created) if isinstance(created, int | float) and 0 < created < 4e9 else _OLDEST


def clean(name: str) -> str:
    """A client's file name without its suffix, as a part of a name that every system takes."""
    stem = re.split(r"[/\\]", name)[-1]
    suffix = Path(stem).suffix
    stem = stem.removesuffix(suffix) if _SUFFIX.fullmatch(suffix) else stem
    stem = _STRANGE.sub("_", unicodedata.normalize("NFC", stem))
    return stem[:_MAX_STEM].strip(" ._-")


def _columns(result: Mapping[str, Any], moment: float) -> dict[str, object]:
    """The columns of the summary that come from a session's result."""
    rows = result.get("predictions")
    predictions = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    counts: dict[str, int] = {}
    for each in predictions:
        label = str(each.get("label", ""))
        counts[label] = counts.get(label, 0) + 1
    best = predictions[0] if predictions else {}
    return {
        "name": result.get("filename", ""),
        "submitted": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)),
        "state": result.get("state", ""),
        "model": result.get("model", ""),
        "label": best.get("label", ""),
        "score": best.get("score", ""),
        "found": len(predictions) if "predictions" in result else "",
        "labels": "; ".join(f"{label} ×{n}" if n > 1 else label for label, n in counts.items()),
        "error": result.get("error", ""),
    }


def summary(rows: Iterable[Mapping[str, object]]) -> bytes:
    """The rows as CSV for spreadsheets: UTF-8 with its mark, and no text that runs as a formula."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for row in rows:
        table.writerow([harmless(row.get(column, "")) for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig", "replace")


class _Sink(io.RawIOBase):
    """A file for ZipFile that hands on its bytes; like a connection, it cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Remove and return the bytes written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
