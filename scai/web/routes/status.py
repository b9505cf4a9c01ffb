"""The state of the server: a page for people, and the same figures for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request
from flask.wrappers import Response

from scai.jobs.service import JobService
from scai.monitoring import charts, strangers
from scai.monitoring.overview import Overview
from scai.settings import Settings
from scai.web import answers, page
from scai.web.admin import is_admin

# The smallest scales of the charts: photos per minute, and milliseconds.
_MIN_PHOTOS = 4.0
_MIN_MS = 100.0
# Photos on hold that the page lists of each kind.
_MAX_HELD = 20
# The ages in seconds from which a waiting job is a warning, and a problem.
_LATE = 80
_TOO_LATE = 640


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes of the status over the settings' folders."""
    status = Blueprint("status", __name__)
    overview = Overview(settings, amounts=service.usage)

    @status.get("/status", endpoint="page")
    def show() -> Response:
        now = _document()
        queues = [_queue(queue) for queue in now["queues"]]
        may_act = is_admin(request)
        held = {
            kind: service.holds.held(kind, _MAX_HELD) if may_act else [] for kind in service.kinds
        }
        response = page.render("status.html", "status", now=now, queues=queues, held=held)
        # The names of sessions are for whoever administers the server alone.
        return answers.no_store(response) if may_act else response

    @status.get("/status.json")
    def document() -> Response:
        return answers.send(_document())

    def _document() -> dict[str, Any]:
        document = overview.read()
        return document if is_admin(request) else strangers.for_strangers(document)

    return status


def _queue(queue: Mapping[str, Any]) -> dict[str, Any]:
    """A queue for the template: its figures, its charts and its waiting jobs by age."""
    minutes = queue["minutes"]
    counts = [minute["count"] for minute in minutes]
    failures = [minute["failures"] for minute in minutes]
    good = [count - failure_count for count, failure_count in zip(counts, failures, strict=True)]
    photos_top = charts.top_of_scale(max(counts), _MIN_PHOTOS)
    slowest = max((minute["p95_ms"] or 0 for minute in minutes), default=0)
    ms_top = charts.top_of_scale(slowest, _MIN_MS)
    # The current minute is not over: a bar of its own keeps it from looking like a drop in traffic.
    over = [*good[:-1], 0]
    running = [*[0] * (len(good) - 1), good[-1]]
    return {
        **queue,
        "photos_top": int(photos_top),
        "ms_top": ms_top,
        "bars": charts.bars(over, photos_top),
        "bars_running": charts.bars(running, photos_top),
        "bars_failed": charts.bars(failures, photos_top, under=good),
        "line_p50": charts.line([minute["p50_ms"] for minute in minutes], ms_top),
        "line_p95": charts.line([minute["p95_ms"] for minute in minutes], ms_top),
        "cells": [_cell(age) for age in queue["ages"]],
        "workers": [{**worker, "batches": _histogram(worker)} for worker in queue["workers"]],
    }


def _cell(age: Mapping[str, Any]) -> dict[str, Any]:
    """A count by age with its colour: `heat` 0 to 5 by the count, `tone` by the age."""
    count, up_to = age["count"], age["up_to"]
    late = "late" if up_to is not None and up_to <= _TOO_LATE else "too-late"
    tone = "young" if up_to is not None and up_to < _LATE else late
    return {**age, "heat": min(len(str(count)) + 1, 5) if count else 0, "tone": tone}


def _histogram(worker: Mapping[str, Any]) -> dict[str, Any] | None:
    """A histogram of a worker's inference batches by size; None before the first."""
    sizes = {int(size): n for size, n in worker["batch_sizes"].items() if size.isdecimal() and n}
    if not sizes:
        return None
    largest = min(max(*sizes, worker["batch"], 2), 256)
    counts = [sizes.get(size, 0) for size in range(1, largest + 1)]
    total = sum(sizes.values())
    return {
        "largest": largest,
        "bars": charts.bars(counts, max(counts)),
        "mean": round(sum(size * n for size, n in sizes.items()) / total, 1),
        "counts": sorted(sizes.items()),
    }
