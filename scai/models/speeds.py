"""Speed records, read for display; scai/recognition/speed_records.py writes them.

The portal reads these small files without loading an engine or NumPy. Anybody with a shell may
write into their folder, so they are read with distrust.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scai.errors import BadSession, NotFound
from scai.models.notes import number, text
from scai.storage.json_files import read_object

_FILE = re.compile(r"[0-9a-f]{32}-\d{1,4}\.json")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MAX_FILES, _MAX_PLANS, _MAX_REASON_LENGTH = 500, 12, 240


def read_all(folder: Path) -> list[dict[str, Any]]:
    """Every record in the folder that names its model, the newest first."""
    try:
        names = sorted(name for name in os.listdir(folder) if _FILE.fullmatch(name))
    except OSError:
        return []
    records = []
    for name in names[:_MAX_FILES]:
        try:
            record = read_object(str(folder / name))
        except (NotFound, BadSession, OSError):
            continue
        if isinstance(record.get("of"), dict):
            records.append(record)
    return sorted(records, key=lambda record: text(record.get("date")), reverse=True)


def newest(records: list[dict[str, Any]], graph: Path | None) -> dict[str, Any]:
    """The public part of the newest record of this model file as it is now; {} without one.

    `records` come from `read_all`.
    """
    if graph is None:
        return {}
    try:
        path, size = str(graph.resolve()), graph.stat().st_size
    except OSError:
        return {}
    for record in records:
        of = record["of"]
        if of.get("path") == path and of.get("bytes") == size:
            return describe(record, graph)
    return {}


def describe(record: Mapping[str, Any], graph: Path | None = None) -> dict[str, Any]:
    """The public part of a record; {} for anything else. Speeds are images/s.

    {engine, plan, batch, single, many, ms (of one image alone), date, tried, refused}: `tried` is
    a list of {engine, plan, single, many, taken}, the fastest alone first; `taken` marks the plan
    in use. `refused` says, by engine, why it must not be used.
    """
    speeds = record.get("images_per_s")
    if not isinstance(speeds, dict):
        return {}
    engine, plan = text(record.get("engine"), 40), text(record.get("plan"), 80)
    single, many = _speed(speeds.get("single")), _speed(speeds.get("batch"))
    date = text(record.get("date"), 20)
    if not engine or single is None or many is None or not _DATE.fullmatch(date):
        return {}
    batch = number(record.get("batch"))
    plans = _plans(record.get("tried")) or [
        _plan(engine, plan, single, many),
        *_default_plan(record, speeds, (engine, plan)),
    ]
    for one in plans:
        one["taken"] = (one["engine"], one["plan"]) == (engine, plan)
    return {
        "engine": engine,
        "plan": plan,
        "batch": batch if isinstance(batch, int) and batch > 0 else 1,
        "single": single,
        "many": many,
        "ms": round(1000 / single, 2),
        "date": date,
        "tried": sorted(plans, key=lambda one: -one["single"]),
        "refused": _refusals(record.get("refused"), graph),
    }


def without_folder(sentence: str, path: Path | None) -> str:
    """The sentence without the folders of this server that stand before the file's name."""
    if path is not None:
        for folder in (path.resolve().parent, path.absolute().parent, path.parent):
            if str(folder) not in (".", "/"):
                sentence = sentence.replace(f"{folder}/", "")
    return sentence


def _refusals(values: object, graph: Path | None) -> dict[str, str]:
    reasons = list(values.items()) if isinstance(values, dict) else []
    return {
        text(name, 40): text(without_folder(text(why), graph), _MAX_REASON_LENGTH)
        for name, why in reasons[:_MAX_PLANS]
        if text(name, 40) and text(why)
    }


def _plans(values: object) -> list[dict[str, Any]]:
    plans = []
    for value in values[:_MAX_PLANS] if isinstance(values, list) else ():
        if not isinstance(value, dict):
            continue
        single, many = _speed(value.get("single")), _speed(value.get("batch"))
        engine, plan = text(value.get("engine"), 40), text(value.get("plan"), 80)
        if engine and plan and single is not None and many is not None:
            plans.append(_plan(engine, plan, single, many))
    return plans


def _default_plan(
    record: Mapping[str, Any], speeds: Mapping[str, Any], fastest: tuple[str, str]
) -> list[dict[str, Any]]:
    """The default plan of a record without a list of plans, unless it is the fastest itself."""
    engine = text(record.get("plain_engine"), 40)
    single, many = _speed(speeds.get("plain_single")), _speed(speeds.get("plain_batch"))
    if single is None or many is None or (engine, "plain") == fastest:
        return []
    return [_plan(engine, "plain", single, many)]


def _plan(engine: str, plan: str, single: float, many: float) -> dict[str, Any]:
    return {"engine": engine, "plan": plan, "single": single, "many": many, "taken": False}


def _speed(value: object) -> float | None:
    speed = number(value)
    return round(float(speed), 1) if speed is not None and 1e-3 < speed < 1e7 else None
