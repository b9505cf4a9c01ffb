"""The public description of a model and of the workers that run it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from scai.models.model import Model
from scai.models.notes import Plot, text

# The public facts of a worker, by the type that each must have.
_WORKER: Mapping[str, type | tuple[type, ...]] = {
    "warm": bool,
    "engine": str,
    "plan": str,
    "device": str,
    "precision": str,
    "batch": int,
    "done": int,
}


def facts_of_workers(model: Model, workers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The facts about this model from each living worker that has loaded it."""
    facts: list[Mapping[str, Any]] = []
    for worker in workers:
        engines = worker.get("loaded")
        if worker.get("model") == model.name:
            facts.append(worker)
        elif isinstance(engines, dict) and model.name in engines:
            # The worker started with another model, which its other facts are about.
            facts.append({"warm": worker.get("warm"), "engine": engines[model.name]})
    return facts


def describe(model: Model, speed: Mapping[str, Any], workers: Iterable[Any]) -> dict[str, Any]:
    """The entry of a model in /models.json; docs/api.md says what each key means."""
    notes = model.notes
    facts_list = [_public_facts(worker) for worker in workers]
    engines = [worker["engine"] for worker in facts_list if worker.get("engine")]
    return {
        "kind": model.kind,
        "name": model.name,
        "default": model.default,
        "aliases": list(model.aliases),
        "problem": model.problem,
        "summary": notes.text("summary"),
        "task": notes.text("task", 100) or model.kind,
        "classes": len(model.labels),
        "labels": list(model.labels[:50]),
        "input": {"width": model.width, "height": model.height, "resize": model.resize},
        "metrics": [asdict(metric) for metric in model.metrics],
        "limits": notes.lines("limits"),
        "data": notes.text("data"),
        "licence": notes.text("licence") or notes.text("license"),
        "date": notes.text("date", 40),
        "trained_with": notes.text("trained_with"),
        "measured_with": notes.text("measured_with"),
        "format": model.format,
        "files": [{"name": name, "bytes": size} for name, size in model.files],
        "plots": [_plot(model, plot) for plot in model.plots],
        "engine": (engines or [speed.get("engine") or model.engine])[0],
        "device": next((w["device"] for w in facts_list if w.get("device")), ""),
        "precision": next((w["precision"] for w in facts_list if w.get("precision")), ""),
        "running": facts_list,
        "speed": dict(speed),
    }


def _plot(model: Model, plot: Plot) -> dict[str, Any]:
    url = f"/models/{model.kind}/{quote(model.name, safe='')}/{plot.name}?v={plot.mark}"
    return {"url": url, "name": plot.name, "width": plot.width, "height": plot.height}


def _public_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a worker that are of the right type and public."""
    public: dict[str, Any] = {}
    for key, kind in _WORKER.items():
        value = facts.get(key)
        if isinstance(value, kind):
            public[key] = text(value, 80) if kind is str else value
    return public
