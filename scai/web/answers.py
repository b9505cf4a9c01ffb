"""The errors of HTTP itself, such as an unknown address, in the shape of the API's own."""

from __future__ import annotations

from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException

from scai.errors import MISTAKE, BadRequest, NotFound, ScaiError, WrongMethod

_KEPT = ("Allow", "Content-Range", "Retry-After")


def wants_page() -> bool:
    """Whether the request comes from a person's browser: it asks for HTML by name."""
    return "text/html" in request.accept_mimetypes.values()


def as_json(error: HTTPException) -> Response:
    """The answer of the API to this error, with its status."""
    found = _error(error)
    empty = {"filename": "", "datetime": "", "sessname": found.message, "sesskey": ""}
    answer = jsonify({"status": "error", **empty, **found.to_dict()})
    answer.status_code = error.code or 500
    for name, value in error.get_headers(request.environ):
        if name in _KEPT:
            answer.headers[name] = value
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _error(error: HTTPException) -> ScaiError:
    if error.code == 404:
        return NotFound("there is nothing at this address; /openapi.json tells of all there are")
    if error.code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return WrongMethod(f"expected {allowed or 'another method'}, got {request.method[:20]}")
    if error.code is not None and error.code < 500:
        return BadRequest(error.description or error.name)
    return ScaiError(MISTAKE)
