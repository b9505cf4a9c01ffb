"""Recorded speeds of models, read for display. scai/recognition/speed_records.py writes them.

The portal reads these small files without loading an engine or NumPy. They lie in a folder that
anybody with a shell may fill, so they are read with distrust.
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
_MOST_FILES, _MOST_TRIED, _LONGEST_REASON = 500, 12, 240


def kept(folder: Path) -> list[dict[str, Any]]:
    """Every measurement in the folder that tells of which model it is, the newest first."""
    try:
        names = sorted(name for name in os.listdir(folder) if _FILE.fullmatch(name))
    except OSError:
        return []
    found = []
    for name in names[:_MOST_FILES]:
        try:
            told = read_object(str(folder / name))
        except (NotFound, BadSession, OSError):
            continue
        if isinstance(told.get("of"), dict):
            found.append(told)
    return sorted(found, key=lambda told: text(told.get("date")), reverse=True)


def of_model(found: list[dict[str, Any]], graph: Path | None) -> dict[str, Any]:
    """The newest of `kept` that was made of this file as it is now, as `shown`; {} for none."""
    if graph is None:
        return {}
    try:
        path, size = str(graph.resolve()), graph.stat().st_size
    except OSError:
        return {}
    for told in found:
        of = told["of"]
        if of.get("path") == path and of.get("bytes") == size:
            return shown(told, graph)
    return {}


def shown(told: Mapping[str, Any], graph: Path | None = None) -> dict[str, Any]:
    """What visitors may see of a measurement; {} when it is none. Speeds are images/s.

    {engine, plan, batch, single, many, ms (of one image alone), date, tried, refused}: `tried` is
    a list of {engine, plan, single, many, taken}, the fastest alone first, and `refused` says, by
    engine, why it was not to be taken.
    """
    speeds = told.get("images_per_s")
    if not isinstance(speeds, dict):
        return {}
    engine, plan = text(told.get("engine"), 40), text(told.get("plan"), 80)
    single, many = _speed(speeds.get("single")), _speed(speeds.get("batch"))
    date = text(told.get("date"), 20)
    if not engine or single is None or many is None or not _DATE.fullmatch(date):
        return {}
    batch = number(told.get("batch"))
    tried = _tried(told.get("tried"))
    if not tried:
        tried = [_one(engine, plan, single, many)]
        plain = text(told.get("plain_engine"), 40)
        before = _speed(speeds.get("plain_single")), _speed(speeds.get("plain_batch"))
        if before[0] is not None and before[1] is not None and (plain, "plain") != (engine, plan):
            tried.append(_one(plain, "plain", before[0], before[1]))
    for one in tried:
        one["taken"] = (one["engine"], one["plan"]) == (engine, plan)
    refused = told.get("refused")
    reasons = refused.items() if isinstance(refused, dict) else ()
    return {
        "engine": engine,
        "plan": plan,
        "batch": batch if isinstance(batch, int) and batch > 0 else 1,
        "single": single,
        "many": many,
        "ms": round(1000 / single, 2),
        "date": date,
        "tried": sorted(tried, key=lambda one: -one["single"]),
        "refused": {
            text(name, 40): text(without_folder(text(why), graph), _LONGEST_REASON)
            for name, why in list(reasons)[:_MOST_TRIED]
            if text(name, 40) and text(why)
        },
    }


def without_folder(sentence: str, path: Path | None) -> str:
    """The sentence without the folders of this server that stand before the file's name."""
    if path is not None:
        for folder in (path.resolve().parent, path.absolute().parent, path.parent):
            if str(folder) not in (".", "/"):
                sentence = sentence.replace(f"{folder}/", "")
    return sentence


def _tried(told: object) -> list[dict[str, Any]]:
    found = []
    for one in told[:_MOST_TRIED] if isinstance(told, list) else ():
        if not isinstance(one, dict):
            continue
        single, many = _speed(one.get("single")), _speed(one.get("batch"))
        engine, plan = text(one.get("engine"), 40), text(one.get("plan"), 80)
        if engine and plan and single is not None and many is not None:
            found.append(_one(engine, plan, single, many))
    return found


def _one(engine: str, plan: str, single: float, many: float) -> dict[str, Any]:
    return {"engine": engine, "plan": plan, "single": single, "many": many, "taken": False}


def _speed(value: object) -> float | None:
    found = number(value)
    return round(float(found), 1) if found is not None and 1e-3 < found < 1e7 else None
