"""A photo and what became of it, as a page; and the plain form, for browsers without scripts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, make_response, redirect, request, url_for
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException

from scai.errors import BadRequest, NotFound, ScaiError
from scai.jobs.service import JobService
from scai.models import client_options
from scai.settings import Settings
from scai.storage.disk import storage_error
from scai.storage.json_files import finite
from scai.storage.session import FINAL
from scai.web import csrf, page
from scai.web.forms import Form, Photo, fields_of, form_of, refusal, too_large

log = logging.getLogger(__name__)

# As many photos as one page shows: their names and keys stand in its address.
MOST = 64
# Seconds before a page without scripts looks again: soon, but for photos far behind in the queue.
_SOON, _LATER = 2, 8
_FAR_BEHIND = 30
_SIDES = ("x_min", "y_min", "x_max", "y_max")

Shown = dict[str, Any]


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    photos = Blueprint("photos", __name__)
    limits = {"mb": f"{settings.max_upload_mb:g}", "megapixels": f"{settings.max_megapixels:g}"}

    def show() -> Response:
        tasks, keys = request.args.getlist("task"), request.args.getlist("key")
        pairs = list(zip(tasks, keys, strict=False))[:MOST]
        shown = [_shown(service, *pair) for pair in pairs] or [_unknown("", "")]
        if len(shown) > 1:
            return _page("photos.html", 200, photos=shown, refused=[])
        return _page("photo.html", 200 if shown[0]["state"] else 404, photo=shown[0])

    def submit() -> Response:
        try:
            with form_of(request, "photo", settings.sessionpath, settings.max_upload_bytes) as form:
                csrf.check(form.fields.get(csrf.FIELD))
                taken, refused = _taken(service, settings, form)
        except HTTPException as error:
            taken, refused = [], [("", refusal(error, request, settings))]
        except BadRequest as error:
            taken, refused = [], [("", error)]
        return _answer(taken, refused)

    def remove() -> Response:
        form = fields_of(request)
        task, key = form.get("task", ""), form.get("key", "")
        error: ScaiError | None = None
        try:
            csrf.check(form.get(csrf.FIELD))
            service.remove(service.kind_of(task, key), task, key)
        except NotFound:
            return _page("photo.html", 404, photo=_unknown("", ""))
        except ScaiError as refused:
            error = refused
        status = error.status if error else 200
        back = _address([(task, key)])
        return _page("photo_removed.html", status, task=task, error=error, back=back)

    def _answer(taken: list[tuple[str, str]], refused: list[tuple[str, ScaiError]]) -> Response:
        """To the photos that were taken; where any was not, a page that says so first."""
        for name, error in refused:
            log.info("POST /photo %r refused (%d): %s", name, error.status, error.message)
        if taken and not refused and len(taken) <= MOST:
            return make_response(redirect(_address(taken), 303))
        status = 200 if taken else refused[0][1].status
        shown = [_shown(service, *pair) for pair in taken]
        response = _page("photos.html", status, photos=shown, refused=refused)
        waits = [error.details["retry_after"] for _, error in refused if error.code == "busy"]
        if waits and not taken:
            response.headers["Retry-After"] = str(waits[0])
        return response

    def _page(template: str, status: int, **values: Any) -> Response:
        response = page.render(template, "photo", status, limits=limits, **values)
        # It holds the key of the session.
        response.headers["Cache-Control"] = "no-store"
        return response

    photos.add_url_rule("/photo", "page", show)
    photos.add_url_rule("/photo", "submit", submit, methods=("POST",))
    photos.add_url_rule("/photo/remove", "remove", remove, methods=("POST",))
    return photos


def _taken(
    service: JobService, settings: Settings, form: Form
) -> tuple[list[tuple[str, str]], list[tuple[str, ScaiError]]]:
    """Submit each photo of the form: name and key of those taken; file and reason of the others."""
    taken: list[tuple[str, str]] = []
    refused: list[tuple[str, ScaiError]] = []
    # A file field that was left empty comes as a file without a name.
    for photo in [photo for photo in form.photos if photo.name]:
        try:
            taken.append(_submitted(service, settings, photo, form.fields))
        except ScaiError as error:
            refused.append((photo.name, error))
        except OSError as error:
            log.error("upload not stored: %s", error)
            refused.append((photo.name, storage_error(error)))
    if not taken and not refused:
        refused.append(("", BadRequest("expected a picture in the field photo, got none")))
    return taken, refused


def _submitted(
    service: JobService, settings: Settings, photo: Photo, fields: Mapping[str, str]
) -> tuple[str, str]:
    if photo.spool.too_large:
        raise too_large(settings)
    kind = fields.get("kind", "")
    if kind not in service.kinds:
        raise BadRequest(f"kind: expected one of {', '.join(service.kinds)}, got {kind[:40]!r}")
    picture = photo.spool.picture
    session = service.submit(kind, picture, photo.name, client_options.from_fields(fields))
    return session.name, session.first_record["key"]


def _address(pairs: list[tuple[str, str]]) -> str:
    tasks, keys = [task for task, _ in pairs], [key for _, key in pairs]
    return url_for("photos.page", task=tasks, key=keys)


def _shown(service: JobService, task: str, key: str) -> Shown:
    """What a page says of one photo."""
    try:
        kind = service.kind_of(task, key)
        answer = service.result(kind, task, key, 0)
    except ScaiError as error:
        if not isinstance(error, NotFound):
            log.warning("session %s cannot be shown: %s", task, error.message)
        return _unknown(task, key)
    state = str(answer.get("state"))
    place = service.place(kind, task) if state == "initialization" else 0
    final = state in FINAL
    far = place is None or place > _FAR_BEHIND
    return {
        "task": task,
        "key": key,
        "kind": kind,
        "routes": service.settings.kinds[kind],
        "state": state,
        "place": place,
        "refresh": 0 if final else _LATER if far else _SOON,
        "answer": answer,
        "name": str(answer.get("filename", "")),
        "found": _found(answer) if state == "complete" else [],
    }


def _unknown(task: str, key: str) -> Shown:
    return {"task": task, "key": key, "state": "", "refresh": 0, "name": ""}


def _found(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The predictions of a result, of whatever form a foreign worker gave them."""
    rows = answer.get("predictions")
    found = []
    for row in rows if isinstance(rows, list) else []:
        try:
            score = finite(row["score"])
            sides = _SIDES if "box" in row else ()
            box = {side: round(finite(row["box"][side])) for side in sides}
            found.append({"label": str(row["label"]), "score": score, "box": box})
        except (KeyError, TypeError, ValueError):
            continue
    return found
