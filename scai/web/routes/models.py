"""The models: a page for people, a document for programs, and the plots of each model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, jsonify, request
from flask.wrappers import Response

from scai.errors import NotFound
from scai.jobs.service import JobService
from scai.models import public
from scai.models.model import Model
from scai.models.notes import Metric
from scai.models.shelf import ModelShelf
from scai.monitoring.strangers import without_folders
from scai.monitoring.units import human_bytes
from scai.settings import ROOT, Settings
from scai.web import answers, page

# The project's own photos for trying a model, those that are installed.
_SAMPLES = ("frog", "numbers", "blood")
_MAX_LABELS = 200
# The number of figures in large type on a card; never those of another file of the same model.
_LARGE = 4
_OTHER_FILE = re.compile(r".*_(tflite|pb)")


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    models = Blueprint("models", __name__)
    shelf = ModelShelf(settings)
    folder = ROOT / "static" / "samples"
    samples = [name for name in _SAMPLES if (folder / f"{name}.webp").is_file()]

    @models.get("/models", endpoint="page")
    def show() -> Response:
        workers = service.workers()
        kinds: list[dict[str, Any]] = [
            {
                "kind": kind,
                "problem": without_folders(shelf.problem(kind)),
                "models": list(_views(shelf, kind, workers[kind])),
            }
            for kind in service.kinds
        ]
        return page.render(
            "models.html",
            "models",
            kinds=kinds,
            anchors=_anchors(
                ((kind["kind"], m["name"]) for kind in kinds for m in kind["models"]),
                settings.kinds,
            ),
            samples=samples,
            size=human_bytes,
            mb=f"{settings.max_upload_mb:g}",
            megapixels=f"{settings.max_megapixels:g}",
            max_bytes=settings.max_upload_bytes,
        )

    @models.get("/models.json")
    def document() -> Response:
        workers = service.workers()
        documents = [
            document
            for kind in service.kinds
            for _, document in _documents(shelf, kind, workers[kind])
        ]
        return _cacheable(jsonify(documents), "no-cache")

    @models.get("/models/<kind>/<path:name>/<file>")
    def plot(kind: str, name: str, file: str) -> Response:
        model = shelf.find(kind, name) if kind in service.kinds else None
        picture = model.picture(file) if model else None
        if picture is None:
            error = NotFound("no such picture of a model")
            return answers.send(answers.refusal(error), error.status)
        data, mark = picture
        # The content of an address with the right mark never changes.
        is_current = request.args.get("v") == mark
        rule = "public, max-age=31536000, immutable" if is_current else "no-cache"
        return _cacheable(Response(data, mimetype="image/png"), rule)

    return models


def _documents(
    shelf: ModelShelf, kind: str, workers: list[dict[str, Any]]
) -> Iterable[tuple[Model, dict[str, Any]]]:
    """Each model of a kind, and what /models.json says of it."""
    for model in shelf.models(kind):
        facts = public.facts_of_workers(model, workers)
        document = public.describe(model, shelf.speed(model, facts), facts)
        yield model, {**document, "problem": without_folders(document["problem"])}


def _views(shelf: ModelShelf, kind: str, workers: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """What the page shows of each model: its document, with figures and speeds arranged."""
    for model, document in _documents(shelf, kind, workers):
        whole = [metric for metric in model.metrics if not metric.label]
        shares = [metric for metric in whole if metric.unit == "share"]
        large = [metric for metric in shares if not _OTHER_FILE.fullmatch(metric.name)][:_LARGE]
        trials = document["speed"].get("tried", [])
        yield {
            **document,
            "card": model.notes.exists,
            "labels": model.labels[:_MAX_LABELS],
            "large": large,
            "others": [metric for metric in whole if metric not in large],
            "by_label": _by_label(model.metrics),
            "engines": _one_per_engine(trials),
            "fastest": max((max(one["single"], one["many"]) for one in trials), default=1.0),
            "warm": [worker for worker in document["running"] if worker.get("warm")],
        }


def _one_per_engine(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One trial per engine: the one in use or else the fastest. The one in use comes first."""
    by_engine: dict[str, dict[str, Any]] = {}
    for trial in sorted(trials, key=lambda trial: (not trial["taken"], -trial["single"])):
        by_engine.setdefault(trial["engine"], trial)
    return list(by_engine.values())


def _anchors(names: Iterable[tuple[str, str]], kinds: Iterable[str]) -> dict[tuple[str, str], str]:
    """The anchor of each model on the page, by kind and name: made of the name, and unique."""
    anchors: dict[tuple[str, str], str] = {}
    taken_anchors = {"main", "compare", "add", *kinds}
    for kind, name in names:
        plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "model"
        anchor, number = plain, 1
        while anchor in taken_anchors:
            number += 1
            anchor = f"{plain}-{number}"
        taken_anchors.add(anchor)
        anchors[kind, name] = anchor
    return anchors


def _by_label(metrics: Iterable[Metric]) -> dict[str, list[Metric]]:
    """The metrics of single labels, by title."""
    metrics_by_title: dict[str, list[Metric]] = defaultdict(list)
    for metric in metrics:
        if metric.label and metric.unit == "share":
            metrics_by_title[metric.title].append(metric)
    return metrics_by_title


def _cacheable(response: Response, rule: str) -> Response:
    response.headers["Cache-Control"] = rule
    response.add_etag()
    response.make_conditional(request)
    return response
