"""The seed's routes: upload a picture, ask for its result, fetch its pictures.

Clients of the seed read `status` and `sessname`, so the seed's own error cases keep its HTTP
status 200 and its texts. Refusals that the seed did not know (too large, no picture, queue full)
have the same body with their true status. `error` in the body tells both apart for programs.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file
from werkzeug.exceptions import HTTPException

from scai.errors import BadRequest, ImageTooLarge, NotFound, ScaiError, UnsupportedFormat
from scai.routes import ROUTES, Routes
from scai.service import Service
from scai.session import Session
from scai.settings import ROOT, Settings

log = logging.getLogger(__name__)

NO_PICTURE = "please follow the api instruction"
WRONG_FORMAT = "not supported file format (jpg, png)"
BROKEN_UPLOAD = "upload process was error"
NO_TASK = "no available task, key or job"
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def blueprint(service: Service, settings: Settings) -> Blueprint:
    """The routes over one service."""
    blueprint = Blueprint("scai_api", __name__)
    for routes in ROUTES:
        _add(blueprint, routes, service, settings)
    return blueprint


def _add(blueprint: Blueprint, routes: Routes, service: Service, settings: Settings) -> None:
    def upload() -> tuple[Response, int]:
        return _upload(service, settings, routes.kind)

    def result() -> tuple[Response, int]:
        try:
            session = _asked(service, routes.kind)
            return jsonify(service.wait(session, _seconds(request.args.get("wait")))), 200
        except NotFound as error:
            return _refusal(NO_TASK, error, 200)

    def input_image() -> Response:
        try:
            return _picture(_asked(service, routes.kind).input_path)
        except NotFound:
            return _no_picture()

    def output_image() -> Response:
        try:
            path = _asked(service, routes.kind).picture_path
        except NotFound:
            path = None
        return _picture(path) if path else _no_picture()

    def add(rule: str | None, name: str, view: Any, methods: tuple[str, ...] = ("GET",)) -> None:
        if rule is not None:
            blueprint.add_url_rule(
                rule,
                f"{routes.kind}_{name}",
                view,
                methods=methods,
                provide_automatic_options="OPTIONS" not in methods,
            )

    add(routes.upload, "upload", upload, ("GET", "POST", "OPTIONS"))
    add(routes.result, "result", result)
    add(routes.input, "input", input_image)
    add(routes.output, "output", output_image)


def _upload(service: Service, settings: Settings, kind: str) -> tuple[Response, int]:
    try:
        photo = request.files.get("photo") if request.method == "POST" else None
        if photo is None:
            return _refusal(NO_PICTURE, BadRequest("post a picture in the form field photo"), 200)
        name = photo.filename or ""
        if not name:
            return _refusal(BROKEN_UPLOAD, BadRequest("the file has no name"), 200)
        params = {"model": request.form.get("model", "")}
        session = service.submit(kind, photo.stream.read(), name, params)
    except UnsupportedFormat as error:
        seed_case = not name.lower().endswith(_PICTURE_SUFFIXES)
        return _refusal(
            WRONG_FORMAT if seed_case else error.message, error, 200 if seed_case else 0
        )
    except ScaiError as error:
        return _refusal(error.message, error)
    except HTTPException as error:
        return _refusal_of_http(error, settings)
    record = session.record()
    return jsonify(
        status="success",
        filename=record["filename"],
        datetime=record["datetime"],
        sessname=session.name,
        sesskey=record["key"],
    ), 200


def _refusal_of_http(error: HTTPException, settings: Settings) -> tuple[Response, int]:
    if error.code == 413:
        limit = settings.max_upload_mb
        return _refusal(
            text := f"the file is larger than {limit:g} MB",
            ImageTooLarge(
                text, stage="upload", limit=settings.max_upload_bytes, setting="max_upload_mb"
            ),
        )
    return _refusal(BROKEN_UPLOAD, ScaiError(error.description or BROKEN_UPLOAD), error.code or 400)


def _refusal(text: str, error: ScaiError, status: int = 0) -> tuple[Response, int]:
    status = status or error.status
    log.info("%s %s refused (%d): %s", request.method, request.path, status, error.message)
    answer = jsonify(
        status="error",
        filename="",
        datetime="",
        sessname=text,
        sesskey="",
        error=error.to_dict(),
    )
    if "retry_after" in error.details:
        answer.headers["Retry-After"] = str(error.details["retry_after"])
    return answer, status


def _asked(service: Service, kind: str) -> Session:
    return service.session(kind, request.args.get("task", ""), request.args.get("key", ""))


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _picture(path: Path) -> Response:
    # The seed labels every picture image/jpeg; browsers go by the content.
    answer = send_file(
        path.resolve(), mimetype="image/jpeg", download_name=path.name, conditional=True
    )
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def _no_picture() -> Response:
    log.info("%s: %s", request.path, NO_TASK)
    return send_file(ROOT / "usr" / "task404.jpg", mimetype="image/jpeg", max_age=0)
