"""The page of what a browser submitted, and all of that as one ZIP.

The list itself lives in the browser: the server keeps no record of who sent what.
"""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from scai.errors import BadRequest, ScaiError
from scai.jobs.export import Asked, archive
from scai.jobs.service import JobService
from scai.settings import Settings
from scai.web import csrf, page
from scai.web.forms import fields_of

MOST = 2000  # photos in one archive
_LONGEST_FORM = 2_000_000  # bytes
_LONGEST_TEXT = 300  # of a task, key or name, in characters


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes of the history page."""
    history = Blueprint("history", __name__)

    @history.get("/history", endpoint="page")
    def show() -> Response:
        return _page()

    @history.post("/history/export")
    def export() -> Response:
        form = fields_of(request, _LONGEST_FORM)
        csrf.check(form.get(csrf.FIELD))
        asked = _asked(form.get("photos", ""))
        answer = Response(archive(asked, service.session), mimetype="application/zip")
        name = time.strftime("scai-history-%Y%m%d-%H%M.zip")
        answer.headers["Content-Disposition"] = f"attachment; filename={name}"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @history.errorhandler(ScaiError)
    def refused(error: ScaiError) -> Response:
        return _page(error)

    @history.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response:
        return _page(BadRequest(f"expected at most {MOST} photos at once, got a larger form"))

    return history


def _page(error: ScaiError | None = None) -> Response:
    return page.render(
        "history.html",
        "history",
        status=error.status if error else 200,
        error=error.message if error else "",
        kinds=list(current_app.config["KINDS"]),
        most=MOST,
    )


def _asked(text: str) -> list[Asked]:
    """The photos that a form asks for, each once; raises BadRequest."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list):
        raise BadRequest("photos: expected a JSON list of {kind, task, key}")
    if len(given) > MOST:
        raise BadRequest(f"expected at most {MOST} photos at once, got {len(given)}")
    found = [_one(each) for each in given]
    return list({each.task: each for each in found}.values())


def _one(given: Any) -> Asked:
    fields = given if isinstance(given, dict) else {}
    texts = [fields.get(name, "") for name in ("kind", "task", "key", "name")]
    if not all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in texts):
        raise BadRequest("photos: expected short texts for kind, task, key and name of each")
    if not all(texts[:3]):
        raise BadRequest("photos: expected kind, task and key of each")
    return Asked(*texts)
