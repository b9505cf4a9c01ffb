"""The facts of an installed model: its section, its files, its card.json, and its speed."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from scai import plugins
from scai.errors import ScaiError
from scai.models import cards
from scai.recognition.loading import find_speed_record, model_path
from tools.models.files import sha256_of, size_of
from tools.models.sections import SectionPlace

CARD = "card.json"
# Keys of card.json that `scai models show` prints.
_CARD_KEYS = ("summary", "metrics", "measured_with", "data", "limits", "licence", "source", "date")
WARM_UP = 3
RUNS = 20
# Height and width in pixels of the picture that is timed.
PICTURE = (480, 640)


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card.json of a folder; empty where there is none or it cannot be read."""
    try:
        facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def card_of(graph: Path) -> dict[str, Any]:
    """Read the card.json beside a model; empty unless it lists this file, and its digest if any."""
    facts = read_card(graph.parent)
    files = facts.get("files")
    listed = files.get(graph.name) if isinstance(files, dict) else None
    if not isinstance(listed, dict) or not graph.exists():
        return {}
    if graph.is_file() and listed.get("sha256") not in (None, sha256_of(graph)):
        return {}
    return facts


def row(place: SectionPlace) -> dict[str, Any]:
    """Describe one section for a table.

    `files`: whether the model's files are there; if not, `problem` is the reason.
    """
    values: dict[str, Any] = {"name": place.name, "kind": place.kind, "config": str(place.config)}
    if place.use:
        return values | {"alias_of": place.use}
    try:
        card = cards.load_card(place.config, place.name, place.kind)
    except ScaiError as error:
        return values | {"files": False, "problem": error.message}
    values |= {"engine": card.engine, "files": True, "graph": None, "bytes": 0, "metrics": {}}
    if card.graph is not None:
        graph = model_path(card.graph)
        values |= {"graph": str(graph), "bytes": size_of(graph)}
        values["metrics"] = card_of(graph).get("metrics") or {}
    return values


def details(place: SectionPlace, policy: cards.SpeedPolicy, batch: int) -> dict[str, Any]:
    """Describe one model in full; of a section with USE, the model that it refers to.

    `measured` is the speed record of a worker with batches of `batch` on this machine, or None.
    Raises ConfigError for a section that no worker could load.
    """
    card = cards.load_card(place.config, place.name, place.kind)
    values = {
        field.name: str(value) if isinstance(value, Path) else value
        for field in dataclasses.fields(card)
        if (value := getattr(card, field.name)) not in (None, "")
    }
    files = [_file(model_path(path)) for path in (card.graph, card.labels) if path is not None]
    facts = card_of(model_path(card.graph)) if card.graph else {}
    about = {key: facts[key] for key in _CARD_KEYS if facts.get(key)}
    record = find_speed_record(dataclasses.replace(card, speed_policy=policy), batch)
    measured = record.to_dict() if record else None
    return {"card": values, "files": files, "facts": about, "measured": measured}


def _file(path: Path) -> dict[str, Any]:
    digest = sha256_of(path) if path.is_file() else None
    return {"path": str(path), "bytes": size_of(path), "sha256": digest}


def run(
    place: SectionPlace, policy: cards.SpeedPolicy, batch: int, runs: int = RUNS
) -> dict[str, Any]:
    """Load a model as a worker does, and time it on one picture of noise, from pixels to result.

    Raises ConfigError or EngineError.
    """
    card = cards.load_card(place.config, place.name, place.kind)
    card = dataclasses.replace(card, speed_policy=policy)
    start = time.perf_counter()
    recognizer = plugins.load("workers", place.kind).build(card, batch)
    loaded = time.perf_counter() - start
    picture = np.random.default_rng(0).integers(0, 256, (*PICTURE, 3), np.uint8)
    try:
        for _ in range(WARM_UP):
            recognizer.recognize([picture])
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            recognizer.recognize([picture])
            times.append(time.perf_counter() - start)
        engine = recognizer.engine
        seconds = statistics.median(times)
        return {
            "engine": engine.describe(),
            "input": _tensor(engine.input),
            "outputs": [_tensor(spec) for spec in engine.outputs],
            "load_s": round(loaded, 3),
            "latency_ms": round(seconds * 1000, 2),
            "images_per_s": round(1 / seconds, 1),
            "runs": runs,
        }
    finally:
        recognizer.close()


def _tensor(spec: Any) -> dict[str, Any]:
    return {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype}
