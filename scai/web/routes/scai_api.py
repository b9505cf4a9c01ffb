"""The seed's routes: upload pictures, ask for a result, fetch its pictures.

Every refusal has the seed's five keys with the sentence in `sessname`, where its clients look for
it, and in `error`; `code` and the HTTP status are for programs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request, send_file
from werkzeug.exceptions import HTTPException

from scai.errors import MISTAKE, BadRequest, NotFound, ScaiError, UnsupportedFormat
from scai.jobs.service import JobService
from scai.kinds import Kind
from scai.models import client_options
from scai.pictures.header import SUFFIXES, mime_type
from scai.settings import ROOT, Settings
from scai.storage.disk import storage_error
from scai.storage.session import Session
from scai.web.answers import as_json
from scai.web.forms import BROKEN_UPLOAD, Photo, body_of, form_of, refusal, too_large

log = logging.getLogger(__name__)

# The seed's texts.
NO_PICTURE = "please follow the api instruction"
WRONG_FORMAT = "not supported file format (jpg, png)"
NO_TASK = "no available task, key or job"

USAGE = (
    "POST a picture in the multipart field photo (several at once give an array of answers), or as "
    "the body. Optional fields or query parameters: model, threshold, top_k."
)
# Bodies of these types are text unless they turn out to be a picture: curl calls any body a form.
_FORM_TYPES = ("application/x-www-form-urlencoded", "application/json", "text/plain")

Answer = tuple[dict[str, Any], int]


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    blueprint = Blueprint("scai_api", __name__)
    for kind in settings.kinds.values():
        _add(blueprint, kind, service, settings)

    @blueprint.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        if isinstance(error, ScaiError):
            return _json(*_refusal(error))
        if isinstance(error, HTTPException):
            return as_json(error)  # a part of a picture that there is not
        log.error("%s %s", request.method, request.path, exc_info=error)
        if isinstance(error, OSError):
            return _json(*_refusal(storage_error(error)))
        return _json(*_refusal(ScaiError(MISTAKE)))

    return blueprint


def _add(blueprint: Blueprint, kind: Kind, service: JobService, settings: Settings) -> None:
    def upload() -> Response:
        if request.method in ("GET", "OPTIONS"):
            answer, _ = _refusal(BadRequest(NO_PICTURE))
            return _json({**answer, "usage": USAGE}, 200)
        return _upload(service, settings, kind.name)

    def result() -> Response:
        try:
            task, key = request.args.get("task", ""), request.args.get("key", "")
            wait = _seconds(request.args.get("wait"))
            return _json(service.result(kind.name, task, key, wait), 200)
        except NotFound:
            return _json(*_refusal(NotFound(NO_TASK)))

    def remove() -> Response:
        task = request.args.get("task", "")
        try:
            service.remove(kind.name, task, request.args.get("key", ""))
        except NotFound:
            return _json(*_refusal(NotFound(NO_TASK)))
        return _json({"status": "success", "sessname": task}, 200)

    def input_image() -> Response:
        try:
            return _picture(_asked(service, kind.name).input_path)
        except (NotFound, FileNotFoundError):
            return _no_picture()

    def output_image() -> Response:
        try:
            path = _asked(service, kind.name).picture_path
            return _picture(path) if path else _no_picture()
        except (NotFound, FileNotFoundError):
            return _no_picture()

    def add(rule: str | None, name: str, view: Any, methods: tuple[str, ...] = ("GET",)) -> None:
        if rule is not None:
            blueprint.add_url_rule(
                rule,
                f"{kind.name}_{name}",
                view,
                methods=methods,
                provide_automatic_options="OPTIONS" not in methods,
            )

    add(kind.upload, "upload", upload, ("GET", "POST", "PUT", "OPTIONS"))
    add(kind.result, "result", result)
    add(kind.result, "remove", remove, ("DELETE",))
    add(kind.input, "input", input_image)
    add(kind.output, "output", output_image)


def _upload(service: JobService, settings: Settings, kind: str) -> Response:
    try:
        answers = _taken(service, settings, kind)
    except HTTPException as error:
        answers = [_refusal(refusal(error, request, settings))]
    if len(answers) == 1:
        return _json(*answers[0])
    # Several photos stand or fall each by itself; the status is good when any was taken.
    statuses = [status for _, status in answers]
    return _json([answer for answer, _ in answers], 200 if 200 in statuses else statuses[0])


def _is_form() -> bool:
    return request.mimetype == "multipart/form-data"


def _taken(service: JobService, settings: Settings, kind: str) -> list[Answer]:
    """The answer to each picture of the request, or one refusal."""
    folder, limit = settings.sessionpath, settings.max_upload_bytes
    if _is_form():
        with form_of(request, "photo", folder, limit) as form:
            given = {**form.fields, **request.args.to_dict()}
            taken = [_take(service, settings, kind, photo, given) for photo in form.photos]
        return taken or [_refusal(BadRequest(NO_PICTURE))]
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return [_refusal(BadRequest(NO_PICTURE))]
    if (request.content_length or 0) > limit:
        return [_refusal(too_large(settings))]
    # Asking for form fields would read the body, which curl calls a form too.
    with body_of(request, folder, limit) as spool:
        photo = Photo(request.args.get("filename", ""), spool)
        return [_take(service, settings, kind, photo, request.args)]


def _take(
    service: JobService, settings: Settings, kind: str, photo: Photo, fields: Mapping[str, str]
) -> Answer:
    """Submit one picture; the answer to it and its status."""
    if _is_form() and not photo.name:
        return _refusal(BadRequest(BROKEN_UPLOAD))
    if photo.spool.too_large:
        return _refusal(too_large(settings))
    try:
        params = client_options.from_fields(fields)
        session = service.submit(kind, photo.spool.picture, photo.name, params)
    except UnsupportedFormat as error:
        return _refusal(_in_the_seeds_words(error, photo.name))
    except ScaiError as error:
        return _refusal(error)
    record = session.first_record
    return {
        "status": "success",
        "filename": record["filename"],
        "datetime": record["datetime"],
        "sessname": session.name,
        "sesskey": record["key"],
    }, 200


def _in_the_seeds_words(error: UnsupportedFormat, name: str) -> ScaiError:
    if not _is_form() and request.mimetype in _FORM_TYPES:
        return BadRequest(NO_PICTURE)
    if name.lower().endswith(SUFFIXES) or not _is_form():
        return error
    return UnsupportedFormat(WRONG_FORMAT, **error.details)


def _refusal(error: ScaiError) -> Answer:
    log.info("%s %s refused (%d): %s", request.method, request.path, error.status, error.message)
    empty = {"filename": "", "datetime": "", "sessname": error.message, "sesskey": ""}
    return {"status": "error", **empty, **error.to_dict()}, error.status


def _json(answer: Any, status: int) -> Response:
    response = make_response(jsonify(answer), status)
    response.headers["Cache-Control"] = "no-store"
    if isinstance(answer, dict) and "retry_after" in answer:
        response.headers["Retry-After"] = str(answer["retry_after"])
    return response


def _asked(service: JobService, kind: str) -> Session:
    return service.session(kind, request.args.get("task", ""), request.args.get("key", ""))


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _picture(path: Path) -> Response:
    answer = send_file(
        path.resolve(), mimetype=mime_type(path), download_name=path.name, conditional=True
    )
    # A picture never changes once it is there.
    answer.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return answer


def _no_picture() -> Response:
    log.info("%s: %s", request.path, NO_TASK)
    answer = send_file(ROOT / "usr" / "task404.jpg", mimetype="image/jpeg", max_age=0)
    answer.status_code = 404
    return answer
