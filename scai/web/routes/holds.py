"""Photos on hold: the page on which whoever administers the server releases or drops one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, request
from flask.wrappers import Response

from scai.errors import ScaiError
from scai.jobs.service import JobService
from scai.settings import Settings
from scai.web import admin, answers, csrf, page
from scai.web.forms import fields_of, form_memory

log = logging.getLogger(__name__)

_RELEASE, _DROP = "release", "drop"


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes over one service."""
    holds = Blueprint("holds", __name__)
    pages = _HoldPages(service)
    holds.add_url_rule("/status/hold", "page", pages.show)
    holds.add_url_rule("/status/release", _RELEASE, pages.release, methods=("POST",))
    holds.add_url_rule("/status/drop", _DROP, pages.drop, methods=("POST",))
    return holds


class _HoldPages:
    """Each deed is a form of its own page, so that it works without scripts and is asked twice."""

    def __init__(self, service: JobService) -> None:
        self._holds = service.holds

    def show(self) -> Response:
        """One photo on hold, and the question what to do with it."""
        name = request.args.get("task", "")
        try:
            admin.require(request)
            found = self._holds.describe(name)
        except ScaiError as error:
            return _refuse(error, name)
        act = request.args.get("act", "")
        values = {"job": found, "act": act if act in (_RELEASE, _DROP) else ""}
        return _page(200, task=name, **values)

    def release(self) -> Response:
        """Let the photo of the form run anew."""
        return self._do(_RELEASE, self._holds.release)

    def drop(self) -> Response:
        """Remove the photo of the form."""
        return self._do(_DROP, self._holds.drop)

    def _do(self, act: str, deed: Callable[[str], None]) -> Response:
        name = ""
        try:
            admin.require(request)
            form = fields_of(request, memory=form_memory())
            csrf.check(form.get(csrf.FIELD))
            name = form.get("task", "")
            deed(name)
        except (ScaiError, OSError) as error:
            return _refuse(answers.for_client(error), name)
        log.info("session %s: %s by the status page", name, act)
        if not answers.wants_page():
            return answers.send({"status": "success", "task": name, "act": act})
        return _page(200, task=name, done=act)


def _refuse(error: ScaiError, name: str) -> Response:
    answers.log_refusal(error)
    if not answers.wants_page():
        return answers.send(answers.problem(error), error.status)
    return _page(error.status, task=name, error=error)


def _page(status: int, **values: Any) -> Response:
    blank: Mapping[str, Any] = {"job": None, "act": "", "done": "", "error": None}
    return answers.no_store(page.render("hold.html", "status", status, **{**blank, **values}))
