"""The history page, and the results of many photos as one ZIP.

The list itself is kept by the browser: the server does not record who sent what.
"""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from scai.errors import BadRequest, ScaiError
from scai.jobs.export import ExportItem, archive
from scai.jobs.service import JobService
from scai.settings import Settings
from scai.web import answers, csrf, page
from scai.web.forms import fields_of, form_memory

MAX_PHOTOS = 2000  # in one archive
_MAX_FORM_BYTES = 2_000_000
# Of a task, a key or a name.
_MAX_CHARACTERS = 300


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes of the history page."""
    history = Blueprint("history", __name__)

    @history.get("/history", endpoint="page")
    def show() -> Response:
        return _page()

    @history.post("/history/export")
    def export() -> Response:
        form = fields_of(request, _MAX_FORM_BYTES, form_memory())
        csrf.check(form.get(csrf.FIELD))
        photos = _photos(form.get("photos", ""))
        answer = Response(archive(photos, service.session), mimetype="application/zip")
        name = time.strftime("scai-history-%Y%m%d-%H%M.zip")
        answer.headers["Content-Disposition"] = f"attachment; filename={name}"
        return answers.no_store(answer)

    @history.errorhandler(ScaiError)
    def refuse(error: ScaiError) -> Response:
        return _page(error)

    @history.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response:
        return _page(BadRequest(f"expected at most {MAX_PHOTOS} photos at once, got a larger form"))

    return history


def _page(error: ScaiError | None = None) -> Response:
    return page.render(
        "history.html",
        "history",
        status=error.status if error else 200,
        error=error.message if error else "",
        kinds=list(current_app.config["KINDS"]),
        most=MAX_PHOTOS,
    )


def _photos(text: str) -> list[ExportItem]:
    """The photos that a form names, each once. Raises BadRequest."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise BadRequest("photos: expected a JSON list of {kind, task, key}")
    if len(rows) > MAX_PHOTOS:
        raise BadRequest(f"expected at most {MAX_PHOTOS} photos at once, got {len(rows)}")
    photos = [_photo(row) for row in rows]
    return list({photo.task: photo for photo in photos}.values())


def _photo(row: Any) -> ExportItem:
    fields = row if isinstance(row, dict) else {}
    texts = [fields.get(name, "") for name in ("kind", "task", "key", "name")]
    if not all(isinstance(text, str) and len(text) <= _MAX_CHARACTERS for text in texts):
        raise BadRequest("photos: expected short texts for kind, task, key and name of each")
    if not all(texts[:3]):
        raise BadRequest("photos: expected kind, task and key of each")
    return ExportItem(*texts)
