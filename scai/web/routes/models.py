"""The models: a page for people, one document for programs, and the plots that came with them."""

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
from scai.settings import ROOT, Settings
from scai.web import answers, page

# Photos of the project's own to try models with, as far as they are there.
_SAMPLES = ("frog", "numbers", "blood")
_LABELS_ON_THE_PAGE = 200
# How many figures stand large on a card. Those of a further file of the same model never do.
_LARGE = 4
_SAME_AGAIN = re.compile(r".*_(tflite|pb)")


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    models = Blueprint("models", __name__)
    found = ModelShelf(settings)
    folder = ROOT / "static" / "samples"
    samples = [name for name in _SAMPLES if (folder / f"{name}.webp").is_file()]

    @models.get("/models", endpoint="page")
    def show() -> Response:
        workers = service.workers()
        kinds: list[dict[str, Any]] = [
            {
                "kind": kind,
                "problem": found.problem(kind),
                "models": list(_on_the_page(found, kind, workers[kind])),
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
            size=_size,
            mb=f"{settings.max_upload_mb:g}",
            megapixels=f"{settings.max_megapixels:g}",
            max_bytes=settings.max_upload_bytes,
        )

    @models.get("/models.json")
    def document() -> Response:
        workers = service.workers()
        answer = [told for kind in service.kinds for _, told in _told(found, kind, workers[kind])]
        return _may_be_kept(jsonify(answer), "no-cache")

    @models.get("/models/<kind>/<path:name>/<file>")
    def plot(kind: str, name: str, file: str) -> Response:
        model = found.find(kind, name) if kind in service.kinds else None
        picture = model.picture(file) if model else None
        if picture is None:
            error = NotFound("no such picture of a model")
            return answers.send(answers.refusal(error), error.status)
        data, mark = picture
        # With its mark in the address, what comes under that address never changes.
        marked = request.args.get("v") == mark
        rule = "public, max-age=31536000, immutable" if marked else "no-cache"
        return _may_be_kept(Response(data, mimetype="image/png"), rule)

    return models


def _told(
    found: ModelShelf, kind: str, workers: list[dict[str, Any]]
) -> Iterable[tuple[Model, dict[str, Any]]]:
    for model in found.models(kind):
        at_work = public.facts_of_workers(model, workers)
        yield model, public.describe(model, found.speed(model, at_work), at_work)


def _on_the_page(
    found: ModelShelf, kind: str, workers: list[dict[str, Any]]
) -> Iterable[dict[str, Any]]:
    """What /models.json tells of each model, in the order and shape in which the page shows it."""
    for model, told in _told(found, kind, workers):
        whole = [metric for metric in model.metrics if not metric.label]
        shares = [metric for metric in whole if metric.unit == "share"]
        large = [metric for metric in shares if not _SAME_AGAIN.fullmatch(metric.name)][:_LARGE]
        tried = told["speed"].get("tried", [])
        yield {
            **told,
            "card": model.notes.exists,
            "labels": model.labels[:_LABELS_ON_THE_PAGE],
            "large": large,
            "others": [metric for metric in whole if metric not in large],
            "by_label": _by_label(model.metrics),
            "engines": _one_an_engine(tried),
            "fastest": max((max(one["single"], one["many"]) for one in tried), default=1.0),
            "warm": [worker for worker in told["running"] if worker.get("warm")],
        }


def _one_an_engine(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each engine the setting that was taken, or else its fastest; what was taken first."""
    found: dict[str, dict[str, Any]] = {}
    for one in sorted(tried, key=lambda one: (not one["taken"], -one["single"])):
        found.setdefault(one["engine"], one)
    return list(found.values())


def _anchors(names: Iterable[tuple[str, str]], kinds: Iterable[str]) -> dict[tuple[str, str], str]:
    """The place of each model on the page, by kind and name: its name, as far as it can be one."""
    found: dict[tuple[str, str], str] = {}
    taken = {"main", "compare", "add", *kinds}
    for kind, name in names:
        plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "model"
        anchor, number = plain, 1
        while anchor in taken:
            number += 1
            anchor = f"{plain}-{number}"
        taken.add(anchor)
        found[kind, name] = anchor
    return found


def _by_label(metrics: Iterable[Metric]) -> dict[str, list[Metric]]:
    """The figures of single labels, by their title."""
    found: dict[str, list[Metric]] = defaultdict(list)
    for metric in metrics:
        if metric.label and metric.unit == "share":
            found[metric.title].append(metric)
    return found


def _size(count: int) -> str:
    """Such as 60 B, 312 kB, 1.4 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _may_be_kept(response: Response, rule: str) -> Response:
    response.headers["Cache-Control"] = rule
    response.add_etag()
    response.make_conditional(request)
    return response
