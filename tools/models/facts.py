"""What is known of an installed model: its section, its files, its card.json, and how it runs."""

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
from tools.models.sections import Place

CARD = "card.json"
# What card.json says that people ask for.
_TOLD = ("summary", "metrics", "measured_with", "data", "limits", "licence", "source", "date")
WARM_UP = 3
RUNS = 20
# Height and width in pixels of the picture that is timed.
PICTURE = (480, 640)


def read_card(folder: Path) -> dict[str, Any]:
    """The facts of the card.json in a folder; empty where there is none that can be read."""
    try:
        facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def card_of(graph: Path) -> dict[str, Any]:
    """The facts beside a model, if they are of this very file: its name, and its digest if told."""
    facts = read_card(graph.parent)
    files = facts.get("files")
    told = files.get(graph.name) if isinstance(files, dict) else None
    if not isinstance(told, dict) or not graph.exists():
        return {}
    if graph.is_file() and told.get("sha256") not in (None, sha256_of(graph)):
        return {}
    return facts


def row(place: Place) -> dict[str, Any]:
    """One section for a table. `files` tells whether all is there; if not, `problem` says what."""
    told: dict[str, Any] = {"name": place.name, "kind": place.kind, "config": str(place.config)}
    if place.use:
        return told | {"alias_of": place.use}
    try:
        card = cards.load_card(place.config, place.name, place.kind)
    except ScaiError as error:
        return told | {"files": False, "problem": error.message}
    told |= {"engine": card.engine, "files": True, "graph": None, "bytes": 0, "metrics": {}}
    if card.graph is not None:
        graph = model_path(card.graph)
        told |= {"graph": str(graph), "bytes": size_of(graph)}
        told["metrics"] = card_of(graph).get("metrics") or {}
    return told


def whole(place: Place, policy: cards.SpeedPolicy, batch: int) -> dict[str, Any]:
    """Everything of one model; a section that stands for another tells of that one.

    `measured` is what a worker with batches of `batch` measured of it on this machine, or None.

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
    told = {key: facts[key] for key in _TOLD if facts.get(key)}
    found = find_speed_record(dataclasses.replace(card, speed_policy=policy), batch)
    measured = found.to_dict() if found else None
    return {"card": values, "files": files, "facts": told, "measured": measured}


def _file(path: Path) -> dict[str, Any]:
    digest = sha256_of(path) if path.is_file() else None
    return {"path": str(path), "bytes": size_of(path), "sha256": digest}


def run(place: Place, policy: cards.SpeedPolicy, batch: int, runs: int = RUNS) -> dict[str, Any]:
    """Load a model as a worker does and time it on one picture of noise, from pixels to result.

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
        taken = []
        for _ in range(runs):
            start = time.perf_counter()
            recognizer.recognize([picture])
            taken.append(time.perf_counter() - start)
        engine = recognizer.engine
        seconds = statistics.median(taken)
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
