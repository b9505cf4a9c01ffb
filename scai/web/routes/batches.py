"""Batches over HTTP: JSON for programs and scripts, and a page with a form for everybody."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from flask import Blueprint, jsonify, make_response, redirect, request, url_for
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException

from scai.errors import MISTAKE, BadRequest, NotFound, ScaiError
from scai.jobs.batches.adding import Added
from scai.jobs.batches.progress import Item, Progress
from scai.jobs.batches.service import Batches
from scai.jobs.batches.table import table
from scai.jobs.service import JobService
from scai.models import client_options
from scai.settings import Settings
from scai.storage.disk import storage_error
from scai.web import csrf, page
from scai.web.batch_forms import Handed, handed

log = logging.getLogger(__name__)

_LONGEST_PORTION = 100
# Items of one answer, and rows of one page for browsers without scripts.
_MOST_TOLD, _ROWS = 500, 100
# Labels that the page without scripts counts.
_MOST_LABELS = 20


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    routes = Blueprint("batches", __name__)
    desk = _Desk(service, settings)
    _for_programs(routes, desk)
    _for_people(routes, desk)

    @routes.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _refused(BadRequest(error.description or error.name))
        if isinstance(error, ScaiError):
            return _refused(error)
        log.error("%s %s", request.method, request.path, exc_info=error)
        if request.path == url_for("batches.page"):
            return page.render("error.html", "error", 500, code=500)
        return _refused(storage_error(error) if isinstance(error, OSError) else ScaiError(MISTAKE))

    return routes


class _Desk:
    """What the routes do alike."""

    def __init__(self, service: JobService, settings: Settings) -> None:
        self.service, self.settings = service, settings
        self.batches = Batches(service, settings)

    def asked(self, name: str) -> Progress:
        """The batch of that name, if the request has its key. Raises NotFound."""
        return self.batches.open(name, request.args.get("key", ""))

    def made(self, upload: Handed) -> tuple[Progress, Added]:
        """A new batch with what was handed in. Raises BadRequest."""
        kind = upload.fields.get("kind", "")
        if kind not in self.service.kinds:
            known = " or ".join(self.service.kinds)
            raise BadRequest(f"kind: expected {known}, got {kind[:60]!r}")
        expected = upload.number("expected", self.settings.max_batch_photos)
        progress = self.batches.create(kind, client_options.from_fields(upload.fields), expected)
        last = bool(upload.photos) and not upload.says("open")
        return progress, self.batches.add(progress, upload.photos, _part(upload), last=last)

    def form(self, status: int = 200, **values: Any) -> Response:
        """The page: a form that starts a batch, and the place where scripts show one."""
        settings = self.settings
        kinds = [{"kind": name, "models": self.service.models(name)} for name in settings.kinds]
        limits = {
            "photos": settings.max_batch_photos,
            "mb": f"{settings.max_batch_mb:g}",
            "bytes": settings.max_upload_bytes,
            "photo_mb": f"{settings.max_upload_mb:g}",
            "megapixels": f"{settings.max_megapixels:g}",
        }
        given = {"batch": None, "error": "", "refused": [], **values}
        return page.render("batch.html", "batch", status, kinds=kinds, limits=limits, **given)

    def plain(self, progress: Progress) -> Response:
        """The batch as a page that needs no scripts."""
        told = _all_of(self.batches, progress)
        first = min(_whole(request.args.get("from"), 0), max(0, len(told["items"]) - 1))
        kind = self.settings.kinds[told["kind"]]
        return page.render(
            "batch_plain.html",
            "batch",
            told=told,
            rows=told["items"][first : first + _ROWS],
            first=first,
            step=_ROWS,
            labels=_labels(told["items"], of_parts=bool(kind.output)),
            routes=kind,
        )


def _for_programs(routes: Blueprint, desk: _Desk) -> None:
    batches, settings = desk.batches, desk.settings

    @routes.post("/batches")
    def create() -> Response:
        with handed(request, settings) as upload:
            return _added(*desk.made(upload), made=True)

    @routes.post("/batches/<id>/photos")
    def add(id: str) -> Response:
        progress = desk.asked(id)
        with handed(request, settings) as upload:
            added = batches.add(progress, upload.photos, _part(upload), last=upload.says("last"))
        return _added(progress, added)

    @routes.get("/batches/<id>")
    def document(id: str) -> Response:
        most = min(_MOST_TOLD, _whole(request.args.get("limit"), _MOST_TOLD) or _MOST_TOLD)
        wait = float(_whole(request.args.get("wait"), 0))
        cursor = request.args.get("after", "")
        return _json(batches.document(desk.asked(id), cursor, wait, most))

    @routes.get("/batches/<id>.csv")
    def as_table(id: str) -> Response:
        progress = desk.asked(id)
        rows = ((item.told(), verdict) for item, verdict in batches.results(progress))
        answer = Response(table(rows), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f'attachment; filename="{id[:19]}.csv"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @routes.delete("/batches/<id>")
    def remove(id: str) -> Response:
        done = batches.remove(desk.asked(id))
        if not done["in_work"]:
            return _json({"status": "success", **done})
        sentence = "some photos are being recognised; remove the batch when that is over"
        return _json({"status": "error", "error": sentence, "code": "in_use", **done}, 409)


def _for_people(routes: Blueprint, desk: _Desk) -> None:
    def show() -> Response:
        name = request.args.get("id", "")
        if not name:
            return desk.form()
        try:
            progress = desk.asked(name)
        except NotFound:
            return desk.form(404, gone=True)
        if "plain" in request.args:
            return desk.plain(progress)
        return desk.form(batch=progress.batch.name)

    def submit() -> Response:
        try:
            with handed(request, desk.settings) as upload:
                csrf.check(upload.fields.get(csrf.FIELD))
                if not upload.photos:
                    raise BadRequest("choose a ZIP or some photos first")
                progress, added = desk.made(upload)
        except ScaiError as error:
            return desk.form(error.status, error=error.message)
        if not added.taken:
            name, why = added.refused[0]
            return desk.form(why.status, error=f"{name}: {why.message}")
        query = {"id": progress.batch.name, "key": progress.head["key"], "plain": "1"}
        return make_response(redirect(url_for("batches.page", **query), 303))

    routes.add_url_rule("/batch", "page", show)
    routes.add_url_rule("/batch", "submit", submit, methods=["POST"])


def _part(upload: Handed) -> str:
    name = upload.fields.get("portion", "")
    if len(name) > _LONGEST_PORTION:
        raise BadRequest(
            f"portion: expected at most {_LONGEST_PORTION} characters, got {len(name)}"
        )
    return name


def _whole(text: str | None, default: int) -> int:
    """A whole number from a query; `default` where there is none."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


def _added(progress: Progress, added: Added, *, made: bool = False) -> Response:
    """What came of a portion, as JSON."""
    progress.look()
    told = progress.since("", 0)
    answer: dict[str, Any] = {
        "status": "success",
        "id": progress.batch.name,
        "key": progress.head["key"],
        "state": told["state"],
        "counts": told["counts"],
        "taken": [_taken(item) for item in added.taken],
        "refused": [{"name": name, **error.to_dict()} for name, error in added.refused],
    }
    status = 201 if made else 200
    if added.refused and not added.taken:
        first = added.refused[0][1]
        status = first.status
        answer |= {"status": "error", "error": first.message, "code": first.code}
    if added.stopped:
        answer["retry_after"] = added.stopped.details.get("retry_after", 60)
    return _json(answer, status)


def _taken(item: Item) -> dict[str, Any]:
    return {"n": item.number, **{key: item.line[key] for key in ("name", "task", "key")}}


def _refused(error: ScaiError) -> Response:
    log.info("%s %s refused (%d): %s", request.method, request.path, error.status, error.message)
    return _json({"status": "error", **error.to_dict()}, error.status)


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    response = make_response(jsonify(answer), status)
    response.headers["Cache-Control"] = "no-store"
    if "retry_after" in answer:
        response.headers["Retry-After"] = str(answer["retry_after"])
    return response


def _all_of(batches: Batches, progress: Progress) -> dict[str, Any]:
    """The whole document, in the order of the photos."""
    told = batches.document(progress, "", 0, len(progress) + 1)
    told["items"].sort(key=lambda item: item["n"])
    return told


def _labels(items: list[dict[str, Any]], *, of_parts: bool) -> list[tuple[str, int]]:
    """The labels seen most: of each object, or the best one of a photo named as a whole."""
    seen: Counter[str] = Counter()
    for item in items:
        labels = item.get("labels", [])
        for label in labels if of_parts else labels[:1]:
            seen[label["label"]] += label["count"]
    return seen.most_common(_MOST_LABELS)
