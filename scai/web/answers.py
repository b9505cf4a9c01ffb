"""What all answers share: the keys of a refusal in JSON, and headers."""

from __future__ import annotations

import logging
from typing import Any

from flask import jsonify, request
from flask.wrappers import Response
from werkzeug.exceptions import HTTPException

from scai.errors import MISTAKE, BadRequest, NotFound, ScaiError, WrongMethod
from scai.storage.disk import storage_error

log = logging.getLogger(__name__)

# Headers of an HTTP error that its answer in JSON has too.
_ERROR_HEADERS = ("Allow", "Content-Range", "Retry-After")

_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer", browsers would hide from us that a form comes from a page of our own.
    "Referrer-Policy": "same-origin",
}
# A browser that opens a picture alone makes a document of it, with styles of its own. So the policy
# of pictures has no rule for styles; nothing else may load.
_PICTURE_POLICY = "; ".join(
    [
        *(f"{what}-src 'none'" for what in ("script", "connect", "object", "frame", "font")),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "sandbox"),
    ]
)


def problem(error: ScaiError) -> dict[str, Any]:
    """A refusal as JSON-ready values: the sentence as `error`, the code and the details."""
    return {"status": "error", **error.to_dict()}


def refusal(error: ScaiError) -> dict[str, Any]:
    """The same with the five keys of the original SCAI; its clients read `sessname`."""
    empty = {"filename": "", "datetime": "", "sessname": error.message, "sesskey": ""}
    return {"status": "error", **empty, **error.to_dict()}


def send(answer: Any, status: int = 200) -> Response:
    """Send JSON that no cache stores; an answer with `retry_after` gets that header too."""
    response = jsonify(answer)
    response.status_code = status
    if isinstance(answer, dict) and "retry_after" in answer:
        retry_after(response, answer["retry_after"])
    return no_store(response)


def no_store(response: Response) -> Response:
    """Forbid every cache to store this answer: it changes, or it holds somebody's key."""
    response.headers["Cache-Control"] = "no-store"
    return response


def retry_after(response: Response, seconds: float) -> Response:
    """Say after how many seconds the client may try again."""
    response.headers["Retry-After"] = str(seconds)
    return response


def secure(response: Response) -> Response:
    """Add the headers that keep a browser from running or leaking what it gets."""
    if response.mimetype in _PICTURES:
        response.headers["Content-Security-Policy"] = _PICTURE_POLICY
    for header, value in _SECURITY.items():
        response.headers.setdefault(header, value)
    return response


def for_client(error: Exception) -> ScaiError:
    """The error that a client may see: a ScaiError as it is; a bug goes to the log."""
    if isinstance(error, ScaiError):
        return error
    log.error("%s %s", request.method, request.path, exc_info=error)
    return storage_error(error) if isinstance(error, OSError) else ScaiError(MISTAKE)


def log_refusal(error: ScaiError) -> None:
    """Write one line about a refused request to the log."""
    log.info("%s %s refused (%d): %s", request.method, request.path, error.status, error.message)


def wants_page() -> bool:
    """Whether the request comes from a person's browser: it asks for HTML by name."""
    return "text/html" in request.accept_mimetypes.values()


def of_http_error(error: HTTPException) -> Response:
    """The API's answer to an error of HTTP itself, such as an unknown address."""
    answer = send(refusal(_scai_error(error)), error.code or 500)
    for name, value in error.get_headers(request.environ):
        if name in _ERROR_HEADERS:
            answer.headers[name] = value
    return answer


def _scai_error(error: HTTPException) -> ScaiError:
    if error.code == 404:
        return NotFound("there is nothing at this address; /openapi.json lists all addresses")
    if error.code == 405:
        methods = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return WrongMethod(f"expected {methods or 'another method'}, got {request.method[:20]}")
    if error.code is not None and error.code < 500:
        return BadRequest(error.description or error.name)
    return ScaiError(MISTAKE)
