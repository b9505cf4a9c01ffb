"""Batches over HTTP: JSON for programs and scripts, and a page with a form for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, make_response, redirect, request, url_for
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException

from scai.errors import BadRequest, NotFound, ScaiError
from scai.jobs.batches.portion import PortionResult
from scai.jobs.batches.progress import BatchItem, BatchProgress
from scai.jobs.batches.service import BatchService
from scai.jobs.batches.table import table
from scai.jobs.deferral import KEY
from scai.jobs.service import JobService
from scai.models import client_options
from scai.settings import Settings
from scai.web import addresses, answers, csrf, page
from scai.web.batch_forms import BatchUpload, read_upload

# The longest name of a portion, in characters.
MAX_PORTION = 100
# The most items of one answer.
MAX_ITEMS = 500
# The longest request in bytes that can hold no photo worth refusing unread.
_WITHOUT_PHOTO = 4096
# For browsers without scripts: rows of one page, and the labels that it counts.
ROWS, _LABELS = 100, 20


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    routes = Blueprint("batches", __name__)
    batches = BatchService(service, settings)
    api, pages = _Api(service, settings, batches), _Pages(service, settings, batches)
    routes.add_url_rule("/batches", "create", api.create, methods=["POST"])
    routes.add_url_rule("/batches/<id>", "document", api.document)
    routes.add_url_rule("/batches/<id>", "remove", api.remove, methods=["DELETE"])
    routes.add_url_rule("/batches/<id>/photos", "add", api.add, methods=["POST"])
    routes.add_url_rule("/batches/<id>.csv", "as_table", api.as_table)
    routes.add_url_rule("/batch", "page", pages.show)
    routes.add_url_rule("/batch", "submit", pages.submit, methods=["POST"])
    routes.register_error_handler(Exception, _refuse)
    return routes


def _refuse(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = BadRequest(error.description or error.name)
    answer_error = answers.for_client(error)
    if answer_error is not error and request.path == url_for("batches.page"):
        return page.render("error.html", "error", 500, code=500)
    answers.log_refusal(answer_error)
    return answers.send(answers.problem(answer_error), answer_error.status)


@dataclass(frozen=True)
class _Views:
    """What the views for programs and those for people share."""

    service: JobService
    settings: Settings
    batches: BatchService

    def open(self, name: str) -> BatchProgress:
        """The batch of that name, if the request has its key. Raises NotFound."""
        return self.batches.open(name, request.args.get("key", ""))

    @contextmanager
    def upload(self, kind: str | None = None) -> Iterator[BatchUpload]:
        """Read the request, if there is room for it. Raises ScaiError before it is read, or after.

        `kind` is that of its photos, if it is known and there are some.
        """
        with ExitStack() as reading:
            with self.service.room_for(kind, request.content_length or 0, _client()):
                upload = reading.enter_context(read_upload(request, self.settings))
            yield upload

    def make(self, upload: BatchUpload) -> tuple[BatchProgress, PortionResult]:
        """Make a batch of the photos of a request. Raises BadRequest."""
        kind = upload.fields.get("kind", "")
        if kind not in self.service.kinds:
            answer_error = " or ".join(self.service.kinds)
            raise BadRequest(f"kind: expected {answer_error}, got {kind[:60]!r}")
        expected = upload.number("expected", self.settings.max_batch_photos)
        options = client_options.from_fields(upload.fields)
        progress = self.batches.create(kind, options, expected, _client())
        last = bool(upload.photos) and not upload.says("open")
        portion = _portion(upload)
        return progress, self.batches.add(
            progress, upload.photos, portion, last=last, client=_client()
        )


class _Api(_Views):
    """Batches as JSON and as a table, for programs."""

    def create(self) -> Response:
        """Make a batch."""
        with self.upload() as upload:
            return _send_outcome(*self.make(upload), is_new=True)

    def add(self, id: str) -> Response:
        """Add photos to a batch."""
        progress = self.open(id)
        with self.upload(_kind_of_photos(progress)) as upload:
            portion, last = _portion(upload), upload.says("last")
            outcome = self.batches.add(
                progress, upload.photos, portion, last=last, client=_client()
            )
        return _send_outcome(progress, outcome)

    def document(self, id: str) -> Response:
        """The state of a batch, and those of its photos that changed."""
        most = min(MAX_ITEMS, _whole(request.args.get("limit"), MAX_ITEMS) or MAX_ITEMS)
        wait = float(_whole(request.args.get("wait"), 0))
        cursor = request.args.get("after", "")
        deferral = request.environ.get(KEY)
        return answers.send(self.batches.document(self.open(id), cursor, wait, most, deferral))

    def as_table(self, id: str) -> Response:
        """All results of a batch as a CSV file."""
        progress = self.open(id)
        rows = ((item.to_dict(), result) for item, result in self.batches.results(progress))
        answer = Response(table(rows), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f'attachment; filename="{id[:19]}.csv"'
        return answers.no_store(answer)

    def remove(self, id: str) -> Response:
        """Delete a batch and its photos, but for those that are being recognised."""
        removal = self.batches.remove(self.open(id))
        if not removal["in_work"]:
            return answers.send({"status": "success", **removal})
        sentence = "some photos are being recognised; remove the batch when that is over"
        return answers.send(
            {"status": "error", "error": sentence, "code": "in_use", **removal}, 409
        )


class _Pages(_Views):
    """The page of batches: a form, and the batch itself for browsers without scripts."""

    def show(self) -> Response:
        """The form that makes a batch, or a batch."""
        name = request.args.get("id", "")
        if not name:
            return self._form()
        try:
            progress = self.open(name)
        except NotFound:
            return self._form(404, gone=True)
        if "plain" in request.args:
            return self._plain(progress)
        return self._form(batch=progress.batch.name)

    def submit(self) -> Response:
        """Make a batch of the photos of the form, then lead to its page."""
        try:
            with self.upload() as upload:
                csrf.check(upload.fields.get(csrf.FIELD))
                if not upload.photos:
                    raise BadRequest("choose a ZIP or some photos first")
                progress, outcome = self.make(upload)
        except ScaiError as error:
            answer = self._form(error.status, error=error.message)
            later = error.details.get("retry_after")
            return answers.retry_after(answer, later) if later else answer
        if not outcome.items:
            name, why = outcome.refusals[0]
            return self._form(why.status, error=f"{name}: {why.message}")
        address = addresses.batch_page(progress.batch.name, progress.head["key"])
        return make_response(redirect(address, 303))

    def _form(self, status: int = 200, **values: Any) -> Response:
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
        context = {"batch": None, "error": "", "refused": [], **values}
        return page.render("batch.html", "batch", status, kinds=kinds, limits=limits, **context)

    def _plain(self, progress: BatchProgress) -> Response:
        """The batch as a page that needs no scripts."""
        document = self.batches.document(progress, "", 0, len(progress) + 1)
        items = sorted(document["items"], key=lambda item: item["n"])
        first = min(_whole(request.args.get("from"), 0), max(0, len(items) - 1))
        kind = self.settings.kinds[document["kind"]]
        return page.render(
            "batch_plain.html",
            "batch",
            told={**document, "items": items},
            rows=items[first : first + ROWS],
            first=first,
            step=ROWS,
            labels=_labels(items, of_parts=bool(kind.output)),
            routes=kind,
        )


def _client() -> str:
    return request.remote_addr or ""


def _kind_of_photos(progress: BatchProgress) -> str | None:
    """The kind of a batch if the request may hold photos for it; None for one that only ends it."""
    return str(progress.head["kind"]) if (request.content_length or 0) > _WITHOUT_PHOTO else None


def _portion(upload: BatchUpload) -> str:
    name = upload.fields.get("portion", "")
    if len(name) > MAX_PORTION:
        raise BadRequest(f"portion: expected at most {MAX_PORTION} characters, got {len(name)}")
    return name


def _whole(text: str | None, default: int) -> int:
    """A whole number from a query; `default` where there is none."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


def _send_outcome(
    progress: BatchProgress, outcome: PortionResult, *, is_new: bool = False
) -> Response:
    """Answer which photos were accepted, as JSON; `is_new`: the request made the batch."""
    progress.look()
    document = progress.since("", 0)
    answer: dict[str, Any] = {
        "status": "success",
        "id": progress.batch.name,
        "key": progress.head["key"],
        "state": document["state"],
        "counts": document["counts"],
        "taken": [_photo(item) for item in outcome.items],
        "refused": [{"name": name, **error.to_dict()} for name, error in outcome.refusals],
    }
    status = 201 if is_new else 200
    if outcome.refusals and not outcome.items:
        first = outcome.refusals[0][1]
        status = first.status
        answer |= {"status": "error", "error": first.message, "code": first.code}
    if outcome.stop:
        answer["retry_after"] = outcome.stop.details.get("retry_after", 60)
    return answers.send(answer, status)


def _photo(item: BatchItem) -> dict[str, Any]:
    return {"n": item.number, **{key: item.line[key] for key in ("name", "task", "key")}}


def _labels(items: list[dict[str, Any]], *, of_parts: bool) -> list[tuple[str, int]]:
    """The most frequent labels: of all objects, or the best one of each photo."""
    counts: Counter[str] = Counter()
    for item in items:
        labels = item.get("labels", [])
        for label in labels if of_parts else labels[:1]:
            counts[label["label"]] += label["count"]
    return counts.most_common(_LABELS)
