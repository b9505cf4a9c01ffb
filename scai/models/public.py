"""What visitors are told of a model, and of the workers that run it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from scai.models.model import Model
from scai.models.notes import Plot, text

# What a worker may tell to visitors, by the type it must have.
_WORKER: Mapping[str, type | tuple[type, ...]] = {
    "warm": bool,
    "engine": str,
    "plan": str,
    "device": str,
    "precision": str,
    "batch": int,
    "done": int,
}


def running(model: Model, workers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What the living workers that have this model loaded tell, as far as it is about the model."""
    found: list[Mapping[str, Any]] = []
    for worker in workers:
        loaded = worker.get("loaded")
        if worker.get("model") == model.name:
            found.append(worker)
        elif isinstance(loaded, dict) and model.name in loaded:
            # It began with another one, to which all else that it tells belongs.
            found.append({"warm": worker.get("warm"), "engine": loaded[model.name]})
    return found


def told(model: Model, speed: Mapping[str, Any], workers: Iterable[Any]) -> dict[str, Any]:
    """A model for /models.json; docs/api.md says what each key means."""
    notes = model.notes
    at_work = [_worker(worker) for worker in workers]
    engines = [worker["engine"] for worker in at_work if worker.get("engine")]
    return {
        "kind": model.kind,
        "name": model.name,
        "default": model.default,
        "aliases": list(model.aliases),
        "problem": model.problem,
        "summary": notes.say("summary"),
        "task": notes.say("task", 100) or model.kind,
        "classes": len(model.labels),
        "labels": list(model.labels[:50]),
        "input": {"width": model.width, "height": model.height, "resize": model.resize},
        "metrics": [asdict(metric) for metric in model.metrics],
        "limits": notes.lines("limits"),
        "data": notes.say("data"),
        "licence": notes.say("licence") or notes.say("license"),
        "date": notes.say("date", 40),
        "trained_with": notes.say("trained_with"),
        "measured_with": notes.say("measured_with"),
        "format": model.format,
        "files": [{"name": name, "bytes": size} for name, size in model.files],
        "plots": [_plot(model, plot) for plot in model.plots],
        "engine": (engines or [speed.get("engine") or model.engine])[0],
        "device": next((w["device"] for w in at_work if w.get("device")), ""),
        "precision": next((w["precision"] for w in at_work if w.get("precision")), ""),
        "running": at_work,
        "speed": dict(speed),
    }


def _plot(model: Model, plot: Plot) -> dict[str, Any]:
    url = f"/models/{model.kind}/{quote(model.name, safe='')}/{plot.name}?v={plot.mark}"
    return {"url": url, "name": plot.name, "width": plot.width, "height": plot.height}


def _worker(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What of a worker's facts is for visitors."""
    kept: dict[str, Any] = {}
    for key, kind in _WORKER.items():
        value = facts.get(key)
        if isinstance(value, kind):
            kept[key] = text(value, 80) if kind is str else value
    return kept
