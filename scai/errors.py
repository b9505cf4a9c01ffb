"""Every error that SCAI raises on purpose, with the HTTP status and code that a caller sees.

    ScaiError
    ├── BadRequest            400  a parameter is missing or makes no sense
    │   ├── BadImage          400  the bytes are not a picture that we can read
    │   │   ├── UnsupportedFormat  415  a picture format outside the allow-list, or no picture
    │   │   ├── ImageTooLarge      413  too many bytes or too many pixels
    │   │   └── TooExpensive       422  a picture built to cost far more work than its size
    │   └── BadArchive        400  a ZIP, or a file in it, cannot or must not be unpacked
    │       └── ArchiveTooLarge    413  too many files or bytes for one batch
    ├── CrossSite             403  a browser sent this for a page of another site
    ├── Forbidden             403  only whoever administers the server may do this
    ├── NotFound              404  no such session, key, kind or model
    ├── WrongMethod           405  this address does not take this method of HTTP
    ├── TooSlow               408  a request does not come, or stopped before its end
    ├── HeaderTooLarge        431  a request with too long or too many headers
    ├── InUse                 409  somebody works on the session now; ask again later
    ├── UnknownHost           421  the request names a host that is not this server
    ├── ClientLimit           429  this client has too much waiting; come back later
    ├── BadSession            500  a foreign client's session cannot be read
    ├── Busy                  503  the queue is full; come back after `retry_after` seconds
    ├── StorageFull           507  the disk has no room to keep the upload
    ├── OutOfResources        503  memory or processes were lacking, in every attempt
    ├── ConfigError           500  an ini file, a flag or a model file is wrong; stops a program
    ├── EngineError           500  the model could not be run
    │   └── UnsupportedModel  500  this engine cannot read this model; another one may
    ├── Deadline              500  the job waited or worked longer than it may
    └── WorkerDied            500  the job's worker died while running it, in every attempt

An error crosses the process border as itself: `to_dict` goes into result.json and into answers,
`from_dict` brings back an error of the same class. Anything that is not a ScaiError is a bug, and
its text is for the log, never for a client.
"""

from __future__ import annotations

from typing import Any

# The message that a client gets for a bug.
MISTAKE = "the server made a mistake; its log says more"


def clip(text: object, limit: int = 100) -> str:
    """What came, for a sentence: at most `limit` characters of it, and "..." where it is longer."""
    whole = str(text)
    return whole if len(whole) <= limit else f"{whole[:limit]}..."


class ScaiError(Exception):
    """Base class. `details` are extra JSON-ready facts, such as the stage or the limit."""

    status = 500
    code = "internal"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready values: the sentence as `error`, the code, and the details."""
        return {**self.details, "error": self.message, "code": self.code}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ScaiError:
        """The error that `to_dict` described; an unknown code becomes a plain ScaiError."""
        # Anybody may have written it: no detail may replace an argument.
        reserved = ("error", "code", "self", "message")
        details = {k: v for k, v in data.items() if k not in reserved}
        kind = _by_code().get(str(data.get("code")), ScaiError)
        return kind(str(data.get("error", "")), **details)


class BadRequest(ScaiError):
    """A parameter is missing or makes no sense."""

    status = 400
    code = "bad_request"


class BadImage(BadRequest):
    """The bytes are not a picture that we can read; details name the stage."""

    code = "bad_image"


class UnsupportedFormat(BadImage):
    """No picture at all, or a format outside the allow-list."""

    status = 415
    code = "unsupported_format"


class ImageTooLarge(BadImage):
    """Too many bytes or too many pixels; details name the limit and its setting."""

    status = 413
    code = "image_too_large"


class TooExpensive(BadImage):
    """Reading the picture costs far more work than one of its size may; details name the limit."""

    status = 422
    code = "too_expensive"


class BadArchive(BadRequest):
    """A ZIP, or a file in it, cannot or must not be unpacked."""

    code = "bad_archive"


class ArchiveTooLarge(BadArchive):
    """Too many files or bytes for one batch; details name the limit and its setting."""

    status = 413
    code = "archive_too_large"


class CrossSite(ScaiError):
    """A browser sent this for a page of another site; details name the setting that allows it."""

    status = 403
    code = "cross_site"


class Forbidden(ScaiError):
    """Only whoever administers the server may do this; details name the setting that says who."""

    status = 403
    code = "forbidden"


class NotFound(ScaiError):
    """No such session, key, kind or model."""

    status = 404
    code = "not_found"


class WrongMethod(ScaiError):
    """This address does not take this method of HTTP."""

    status = 405
    code = "wrong_method"


class TooSlow(ScaiError):
    """A request does not come, or stopped before its end; details name the stage."""

    status = 408
    code = "too_slow"


class HeaderTooLarge(ScaiError):
    """A request with too long or too many headers."""

    status = 431
    code = "header_too_large"


class InUse(ScaiError):
    """Somebody works on the session now; ask again later."""

    status = 409
    code = "in_use"


class UnknownHost(ScaiError):
    """The request names a host that is not this server; details name the setting that adds it."""

    status = 421
    code = "unknown_host"


class BadSession(ScaiError):
    """The record of a session, written by a foreign client, cannot be read."""

    code = "bad_session"


class Busy(ScaiError):
    """The queue is full; details hold retry_after in seconds."""

    status = 503
    code = "busy"


class ClientLimit(ScaiError):
    """This client has too many photos waiting; details hold retry_after in seconds."""

    status = 429
    code = "client_limit"


class StorageFull(ScaiError):
    """The disk has no room for the upload; details hold retry_after in seconds."""

    status = 507
    code = "storage_full"


class OutOfResources(ScaiError):
    """Memory or processes were lacking to run the job, in every attempt that is allowed."""

    status = 503
    code = "resources"


class ConfigError(ScaiError):
    """An ini file, a flag or a model file is wrong; the program stops with this sentence."""

    code = "config"


class EngineError(ScaiError):
    """The model could not be run."""

    code = "engine"


class UnsupportedModel(EngineError):
    """This engine cannot read this model; another engine may."""

    code = "unsupported_model"


class WorkerDied(ScaiError):
    """The job's worker died while running it, in every attempt that is allowed."""

    code = "worker_died"


class Deadline(ScaiError):
    """The job waited or worked longer than it may; details name the stage and the setting."""

    code = "deadline"


def _by_code() -> dict[str, type[ScaiError]]:
    classes: dict[str, type[ScaiError]] = {}
    queue: list[type[ScaiError]] = [ScaiError]
    while queue:
        error = queue.pop()
        classes[error.code] = error
        queue.extend(error.__subclasses__())
    return classes
