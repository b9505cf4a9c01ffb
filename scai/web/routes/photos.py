"""A photo and its result as a page, and the plain form for browsers without scripts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, make_response, redirect, request
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException

from scai.errors import BadRequest, NotFound, ScaiError
from scai.jobs.service import JobService
from scai.models import client_options
from scai.settings import Settings
from scai.storage.json_files import finite
from scai.storage.session import FINAL
from scai.web import addresses, answers, csrf, page
from scai.web.forms import Form, Photo, fields_of, form_error, form_memory, form_of, too_large

log = logging.getLogger(__name__)

# The most photos that one page shows: their names and keys stand in its address.
MAX_PHOTOS = 64
# Seconds until a page without scripts looks again: fewer for a photo that is soon to run.
_SOON, _LATER = 2, 8
_FAR_BEHIND = 30
_SIDES = ("x_min", "y_min", "x_max", "y_max")


@dataclass
class _Submission:
    """The outcome of a form: task and key of each accepted photo, name and error of the others."""

    accepted: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, ScaiError]] = field(default_factory=list)


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    photos = Blueprint("photos", __name__)
    pages = _PhotoPages(service, settings)
    photos.add_url_rule("/photo", "page", pages.show)
    photos.add_url_rule("/photo", "submit", pages.submit, methods=("POST",))
    photos.add_url_rule("/photo/remove", "remove", pages.remove, methods=("POST",))
    return photos


class _PhotoPages:
    """The pages about photos, for browsers without scripts and for links that people share."""

    def __init__(self, service: JobService, settings: Settings) -> None:
        self._service, self._settings = service, settings

    def show(self) -> Response:
        """One photo or several, by the tasks and keys of the address."""
        tasks, keys = request.args.getlist("task"), request.args.getlist("key")
        views = self._views(list(zip(tasks, keys, strict=False))[:MAX_PHOTOS])
        if len(views) > 1:
            return self._page("photos.html", 200, photos=views, refused=[])
        view = views[0] if views else _missing("", "")
        return self._page("photo.html", 200 if view["state"] else 404, photo=view)

    def submit(self) -> Response:
        """Submit the photos of a form, then lead to their page."""
        folder, limit = self._settings.sessionpath, self._settings.max_upload_bytes
        try:
            with ExitStack() as reading:
                length, client = request.content_length or 0, request.remote_addr or ""
                with self._service.room_for(None, length, client):
                    form = reading.enter_context(
                        form_of(request, "photo", folder, limit, memory=form_memory())
                    )
                csrf.check(form.fields.get(csrf.FIELD))
                submission = self._submit_all(form)
        except HTTPException as error:
            submission = _Submission(refused=[("", form_error(error, request, self._settings))])
        except ScaiError as error:
            submission = _Submission(refused=[("", error)])
        return self._answer(submission)

    def remove(self) -> Response:
        """Delete a photo and its result; a page says so."""
        task = key = ""
        problem: ScaiError | None = None
        try:
            form = fields_of(request, memory=form_memory())
            task, key = form.get("task", ""), form.get("key", "")
            csrf.check(form.get(csrf.FIELD))
            self._service.remove(self._service.kind_of(task, key), task, key)
        except NotFound:
            return self._page("photo.html", 404, photo=_missing("", ""))
        except ScaiError as error:
            problem = error
        status = problem.status if problem else 200
        back = addresses.photos_page([(task, key)])
        return self._page("photo_removed.html", status, task=task, error=problem, back=back)

    def _submit_all(self, form: Form) -> _Submission:
        submission = _Submission()
        # A file field that was left empty comes as a file without a name.
        for photo in [photo for photo in form.photos if photo.name]:
            try:
                submission.accepted.append(self._submit(photo, form.fields))
            except ScaiError as error:
                submission.refused.append((photo.name, error))
            except OSError as error:
                log.error("upload not stored: %s", error)
                submission.refused.append((photo.name, self._service.storage_error(error)))
        if not submission.accepted and not submission.refused:
            no_photo = BadRequest("expected a picture in the field photo, got none")
            submission.refused.append(("", no_photo))
        return submission

    def _submit(self, photo: Photo, fields: Mapping[str, str]) -> tuple[str, str]:
        """Submit one photo: its task and key. Raises ScaiError."""
        if photo.too_large:
            raise too_large(self._settings)
        kind = fields.get("kind", "")
        if kind not in self._service.kinds:
            kinds = ", ".join(self._service.kinds)
            raise BadRequest(f"kind: expected one of {kinds}, got {kind[:40]!r}")
        options = client_options.from_fields(fields)
        client = request.remote_addr or ""
        session = self._service.submit(kind, photo.picture, photo.name, options, client)
        return session.name, session.first_record["key"]

    def _answer(self, submission: _Submission) -> Response:
        """Lead to the accepted photos; if any was refused, a page says so first."""
        accepted, refused = submission.accepted, submission.refused
        for name, error in refused:
            log.info("POST /photo %r refused (%d): %s", name, error.status, error.message)
        if accepted and not refused and len(accepted) <= MAX_PHOTOS:
            return make_response(redirect(addresses.photos_page(accepted), 303))
        status = 200 if accepted else refused[0][1].status
        views = self._views(accepted)
        response = self._page("photos.html", status, photos=views, refused=refused)
        told = (error.details.get("retry_after") for _, error in refused)
        waits = [seconds for seconds in told if seconds is not None]
        return answers.retry_after(response, waits[0]) if waits and not accepted else response

    def _page(self, template: str, status: int, **values: Any) -> Response:
        limits = {
            "mb": f"{self._settings.max_upload_mb:g}",
            "megapixels": f"{self._settings.max_megapixels:g}",
        }
        # The page holds the key of a session.
        return answers.no_store(page.render(template, "photo", status, limits=limits, **values))

    def _views(self, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        return [self._view(task, key) for task, key in pairs]

    def _view(self, task: str, key: str) -> dict[str, Any]:
        """What the templates show of one photo; state "" if there is no such photo."""
        try:
            kind = self._service.kind_of(task, key)
            answer = self._service.result(kind, task, key, 0)
        except ScaiError as error:
            if not isinstance(error, NotFound):
                log.warning("session %s cannot be shown: %s", task, error.message)
            return _missing(task, key)
        state = str(answer.get("state"))
        place = self._service.place(kind, task) if state == "initialization" else 0
        far = place is None or place > _FAR_BEHIND
        return {
            "task": task,
            "key": key,
            "kind": kind,
            "routes": self._settings.kinds[kind],
            "state": state,
            "place": place,
            "refresh": 0 if state in FINAL else _LATER if far else _SOON,
            "answer": answer,
            "name": str(answer.get("filename", "")),
            "found": _predictions(answer) if state == "complete" else [],
        }


def _missing(task: str, key: str) -> dict[str, Any]:
    return {"task": task, "key": key, "state": "", "refresh": 0, "name": ""}


def _predictions(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The predictions of a result, without those that a foreign worker wrote in another form."""
    rows = answer.get("predictions")
    predictions = []
    for row in rows if isinstance(rows, list) else []:
        try:
            score = finite(row["score"])
            sides = _SIDES if "box" in row else ()
            box = {side: round(finite(row["box"][side])) for side in sides}
            predictions.append({"label": str(row["label"]), "score": score, "box": box})
        except (KeyError, TypeError, ValueError):
            continue
    return predictions
