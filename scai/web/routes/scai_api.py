"""The routes of the original SCAI: upload pictures, ask for a result, fetch its pictures.

Every refusal has the original's five keys with the sentence in `sessname`, where its clients look
for it, and in `error`; `code` and the HTTP status are for programs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, Response, current_app, request, send_file
from werkzeug.exceptions import HTTPException

from scai.errors import BadRequest, NotFound, ScaiError, UnsupportedFormat
from scai.jobs import inputs
from scai.jobs.deferral import KEY
from scai.jobs.service import JobService
from scai.kinds import PICTURE, Kind
from scai.models import client_options
from scai.settings import ROOT, Settings
from scai.storage.session import FINAL, Session
from scai.web import answers
from scai.web.forms import (
    BROKEN_UPLOAD,
    Photo,
    body_of,
    form_error,
    form_memory,
    form_of,
    too_large,
)

log = logging.getLogger(__name__)

# The original's texts.
NO_PICTURE = "please follow the api instruction"
WRONG_FORMAT = "not supported file format (jpg, png)"
NO_TASK = "no available task, key or job"

USAGE = (
    "POST a picture in the multipart field photo (several at once give an array of answers), or as "
    "the body. Optional fields or query parameters: model, threshold, top_k."
)
# Bodies of these types are text unless they turn out to be a picture: curl calls any body a form.
_FORM_TYPES = ("application/x-www-form-urlencoded", "application/json", "text/plain")

# The keys of an answer, and its status.
Answer = tuple[dict[str, Any], int]


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    blueprint = Blueprint("scai_api", __name__)
    for kind in settings.kinds.values():
        _Views(service, settings, kind).add_to(blueprint)
    blueprint.register_error_handler(Exception, _refuse)
    return blueprint


def _refuse(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return answers.of_http_error(error)  # a range beyond the end of a picture
    if isinstance(error, NotFound):
        error = NotFound(NO_TASK)
    return answers.send(*_refusal(answers.for_client(error)))


class _Views:
    """The views of one kind of recognition."""

    def __init__(self, service: JobService, settings: Settings, kind: Kind) -> None:
        self._service, self._settings, self._kind = service, settings, kind
        self._folder, self._limit = settings.sessionpath, settings.max_upload_bytes

    def add_to(self, blueprint: Blueprint) -> None:
        """Add the addresses of this kind to `blueprint`, those that it has."""
        kind = self._kind
        for rule, view, methods in (
            (kind.upload, self.upload, ("GET", "POST", "PUT", "OPTIONS")),
            (kind.result, self.result, ("GET",)),
            (kind.result, self.remove, ("DELETE",)),
            (kind.input, self.input, ("GET",)),
            (kind.output, self.output, ("GET",)),
        ):
            if rule is not None:
                blueprint.add_url_rule(
                    rule,
                    f"{kind.name}_{view.__name__}",
                    view,
                    methods=methods,
                    provide_automatic_options="OPTIONS" not in methods,
                )

    def upload(self) -> Response:
        """Submit the pictures of the request. Without any, explain how to send one."""
        if request.method in ("GET", "OPTIONS"):
            return answers.send({**answers.refusal(BadRequest(NO_PICTURE)), "usage": USAGE})
        try:
            replies = self._replies()
        except HTTPException as error:
            replies = [_refusal(form_error(error, request, self._settings))]
        if len(replies) == 1:
            return answers.send(*replies[0])
        # Each of several photos succeeds or fails alone; the status is good if one succeeded.
        statuses = [status for _, status in replies]
        status = 200 if 200 in statuses else statuses[0]
        response = answers.send([answer for answer, _ in replies], status)
        waits = [answer["retry_after"] for answer, _ in replies if "retry_after" in answer]
        return answers.retry_after(response, waits[0]) if waits and status != 200 else response

    def result(self) -> Response:
        """The state of a task, or its result; with `wait`, once there is one."""
        wait, deferral = _seconds(request.args.get("wait")), request.environ.get(KEY)
        task, key = _task_and_key()
        result = self._service.result(self._kind.name, task, key, wait, deferral)
        if deferral is not None and deferral.pause is not None:
            deferral.answer = self._verdict(task, key)
        return answers.send(result)

    def _verdict(self, task: str, key: str) -> Callable[[], bytes | None]:
        """Gives the result of a task as JSON if it is final; outside of a request, too."""
        json = current_app.json

        def verdict() -> bytes | None:
            result = self._service.result(self._kind.name, task, key, 0)
            if result.get("state") not in FINAL:
                return None
            return cast(Response, json.response(result)).get_data()

        return verdict

    def remove(self) -> Response:
        """Delete a task and all that belongs to it."""
        task, key = _task_and_key()
        self._service.remove(self._kind.name, task, key)
        return answers.send({"status": "success", "sessname": task})

    def input(self) -> Response:
        """The picture as it was sent."""
        try:
            return _file(self._session().input_path, inputs.of(self._kind))
        except (NotFound, FileNotFoundError):
            return _no_picture()

    def output(self) -> Response:
        """The picture with its annotations."""
        try:
            path = self._session().picture_path
            return _file(path, inputs.INPUT_TYPES[PICTURE]) if path else _no_picture()
        except (NotFound, FileNotFoundError):
            return _no_picture()

    def _session(self) -> Session:
        return self._service.session(self._kind.name, *_task_and_key())

    def _replies(self) -> list[Answer]:
        """The answer to each picture of the request, or one refusal.

        Raises HTTPException for a form that is too large or cannot be read.
        """
        if _is_form():
            folder, limit = self._folder, self._limit
            with ExitStack() as reading:
                with self._room():
                    form = reading.enter_context(
                        form_of(request, "photo", folder, limit, memory=form_memory())
                    )
                fields = {**form.fields, **request.args.to_dict()}
                replies = [self._submit(photo, fields) for photo in form.photos]
            return replies or [_refusal(BadRequest(NO_PICTURE))]
        if not request.content_length and "Transfer-Encoding" not in request.headers:
            return [_refusal(BadRequest(NO_PICTURE))]
        if (request.content_length or 0) > self._limit:
            return [_refusal(too_large(self._settings))]
        # Asking for form fields would read the body, which curl calls a form too.
        with ExitStack() as reading:
            with self._room():
                spool = reading.enter_context(
                    body_of(request, self._folder, self._limit, form_memory())
                )
            return [self._submit(Photo(request.args.get("filename", ""), spool), request.args)]

    def _room(self) -> AbstractContextManager[None]:
        """Room for the body of the request while it is read; raises before it is."""
        length, client = request.content_length or 0, request.remote_addr or ""
        return self._service.room_for(self._kind.name, length, client)

    def _submit(self, photo: Photo, fields: Mapping[str, str]) -> Answer:
        """Submit one picture."""
        if _is_form() and not photo.name:
            return _refusal(BadRequest(BROKEN_UPLOAD))
        if photo.too_large:
            return _refusal(too_large(self._settings))
        try:
            params = client_options.from_fields(fields) if fields else None
            session = self._service.submit(
                self._kind.name, photo.picture, photo.name, params, request.remote_addr or ""
            )
        except UnsupportedFormat as error:
            return _refusal(_seed_error(error, photo.name, self._kind))
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


def _task_and_key() -> tuple[str, str]:
    return request.args.get("task", ""), request.args.get("key", "")


def _is_form() -> bool:
    return request.mimetype == "multipart/form-data"


def _seed_error(error: UnsupportedFormat, name: str, kind: Kind) -> ScaiError:
    """The error with the sentence that the original SCAI had for the same request."""
    if not _is_form() and request.mimetype in _FORM_TYPES:
        return BadRequest(NO_PICTURE)
    if name.lower().endswith(inputs.of(kind).suffixes) or not _is_form():
        return error
    return UnsupportedFormat(WRONG_FORMAT, **error.details)


def _refusal(error: ScaiError) -> Answer:
    answers.log_refusal(error)
    return answers.refusal(error), error.status


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _file(path: Path, type_: inputs.InputType) -> Response:
    answer = send_file(
        path.resolve(), mimetype=type_.media_type(path), download_name=path.name, conditional=True
    )
    # A picture never changes.
    answer.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return answer


def _no_picture() -> Response:
    log.info("%s: %s", request.path, NO_TASK)
    answer = send_file(ROOT / "usr" / "task404.jpg", mimetype="image/jpeg", max_age=0)
    answer.status_code = 404
    return answer
