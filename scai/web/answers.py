"""Answers in JSON: the keys of a refusal, and the headers that go with them."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from scai.errors import MISTAKE, BadRequest, NotFound, ScaiError, WrongMethod
from scai.storage.disk import storage_error

log = logging.getLogger(__name__)

# Headers of an HTTP error that its answer in JSON has too.
_ERROR_HEADERS = ("Allow", "Content-Range", "Retry-After")

AnyAnswer = TypeVar("AnyAnswer", bound=AnyResponse)


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


def no_store(response: AnyAnswer) -> AnyAnswer:
    """Forbid every cache to store this answer: it changes, or it holds somebody's key."""
    response.headers["Cache-Control"] = "no-store"
    return response


def retry_after(response: AnyAnswer, seconds: float) -> AnyAnswer:
    """Say after how many seconds the client may try again."""
    response.headers["Retry-After"] = str(seconds)
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
        return NotFound("there is nothing at this address; /openapi.json tells of all there are")
    if error.code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return WrongMethod(f"expected {allowed or 'another method'}, got {request.method[:20]}")
    if error.code is not None and error.code < 500:
        return BadRequest(error.description or error.name)
    return ScaiError(MISTAKE)
