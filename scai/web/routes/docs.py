"""The description of the API: as OpenAPI for programs, and as a page where people try it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from scai.jobs.service import JobService
from scai.settings import Settings
from scai.web import addresses, page
from scai.web.openapi import document as openapi
from scai.web.openapi import snippets
from scai.web.openapi.operations import FILES, Answer, Operation, Value


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes of the description."""
    docs = Blueprint("docs", __name__)

    def models() -> dict[str, list[str]]:
        return {kind: [*service.models(kind), settings.usedconfig] for kind in service.kinds}

    @docs.get("/openapi.json")
    def description() -> Response:
        response = jsonify(openapi.document(settings, addresses.server(), models()))
        response.headers["Cache-Control"] = "no-cache"
        return _compress(response)

    @docs.get("/docs", endpoint="page")
    def show() -> Response:
        return _compress(_page(settings, models()))

    return docs


def _page(settings: Settings, models: Mapping[str, Sequence[str]]) -> Response:
    schemas = openapi.schemas()
    groups = []
    for group in openapi.groups(settings.kinds.values()):
        operations = [openapi.fit(o, settings, models) for o in group.operations if o.listed]
        views = [_operation(operation) for operation in operations]
        groups.append({"name": group.name, "about": group.about, "operations": views})
    return page.render(
        "docs.html",
        "docs",
        groups=groups,
        schemas={name: openapi.fields(name) for name in schemas},
        about={name: openapi.about(schema) for name, schema in schemas.items()},
        numbers=openapi.numbers(settings),
        server=addresses.server(),
    )


def _compress(response: Response) -> Response:
    """Compress the answer for clients that take it, to a tenth; it holds no secret."""
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(response.get_data(), 6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _operation(operation: Operation) -> dict[str, Any]:
    """The values of one operation for the page; `told` holds those that its scripts need."""
    values = [_value(value) for value in operation.values]
    facts = {
        "method": operation.method,
        "path": operation.path,
        "kind": operation.kind,
        "opens": operation.opens,
        "bodies": operation.bodies,
        "type": operation.type,
        "save": operation.save,
        "values": [
            {key: value[key] for key in ("name", "place", "file", "required", "example")}
            for value in values
        ],
    }
    return {
        "name": operation.name,
        "method": operation.method,
        "path": operation.path,
        "summary": operation.summary,
        "about": operation.about,
        "takes": values,
        "answers": [_answer(answer) for answer in _by_status(operation.answers)],
        "curl": snippets.curl(operation, addresses.server()),
        "python": snippets.python(operation, addresses.server()),
        "told": facts,
    }


def _value(value: Value) -> dict[str, Any]:
    schema = value.schema.get("items", value.schema)
    return {
        "name": value.name,
        "place": value.place,
        "about": value.about,
        "required": value.required,
        "example": value.example,
        "file": schema.get("format") in FILES,
        "many": value.schema.get("type") == "array",
        "type": schema.get("type", ""),
        "choices": list(dict.fromkeys(schema.get("enum", ()))),
        "low": schema.get("minimum"),
        "high": schema.get("maximum"),
    }


def _by_status(answers: tuple[Answer, ...]) -> list[Answer]:
    """One answer for each status: a picture's several types need no list of their own."""
    by_status = {answer.status: answer for answer in reversed(answers)}
    return [by_status[status] for status in sorted(by_status)]


def _answer(answer: Answer) -> dict[str, Any]:
    is_json = answer.type == "application/json"
    example = "" if answer.example is None else answer.example
    if is_json and answer.example is not None:
        example = json.dumps(answer.example, indent=2, ensure_ascii=False)
    return {
        "status": answer.status,
        "about": answer.about,
        "type": answer.type,
        "example": example,
        "schema": openapi.name_of(answer.schema),
        "headers": dict(answer.headers),
    }
