"""The operations that upload pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scai.errors import (
    MISTAKE,
    BadRequest,
    Busy,
    ClientLimit,
    ImageTooLarge,
    ScaiError,
    StorageFull,
    TooExpensive,
    UnsupportedFormat,
)
from scai.kinds import Kind
from scai.settings import MAX_RESULTS
from scai.web.openapi.operations import (
    A_KEY,
    A_TASK,
    KEY,
    TASK,
    Answer,
    Group,
    Operation,
    Schema,
    Value,
    number,
    record,
    ref,
    refusal,
    rows,
    text,
)

FORM = "multipart/form-data"
BYTES = "application/octet-stream"
_RECEIPT = {
    "status": "success",
    "filename": "photo.jpg",
    "datetime": "2026/11/21 13:28:13",
    "sessname": A_TASK,
    "sesskey": A_KEY,
}
_PLAIN = {"status": "error", "filename": "", "datetime": "", "sesskey": ""}
_USAGE = {**_PLAIN, "sessname": "please follow the api instruction"}

_UPLOAD = record(
    "The answer for one uploaded picture.",
    "status filename datetime sessname sesskey",
    status=text(
        "`success`: the picture is safely stored and will be recognised.", enum=["success"]
    ),
    filename=text("The file name it was sent with, without folders."),
    datetime=text("When it arrived, in the server's local time."),
    sessname=text("Its task. Together with the key, it gives access to the result.", pattern=TASK),
    sesskey=text("Its key. It cannot be guessed; keep it.", pattern=KEY),
)
_PROBLEM = {
    "status": text("Always `error`.", enum=["error"]),
    "error": text("What was expected and what was received, for people."),
    "code": text("The kind of error, for programs."),
    "stage": text("The stage at which it happened, if known."),
    "limit": number("The limit that was exceeded, if any."),
    "setting": text("The server's setting for that limit."),
    "retry_after": number("Seconds to wait before trying again."),
}
_SEED = {
    "filename": text("Empty."),
    "datetime": text("Empty."),
    "sessname": text("The same sentence as in `error`."),
    "sesskey": text("Empty."),
}
_REFUSAL = record(
    "An error from an address of the original SCAI, with the five keys that its clients read.",
    "status filename datetime sessname sesskey error code",
    **_PROBLEM,
    **_SEED,
)
_HOW = record(
    "How to send a picture.",
    "status filename datetime sessname sesskey error code usage",
    **{key: _PROBLEM[key] for key in ("status", "error", "code")},
    **_SEED,
    usage=text("How to send a picture, in a sentence."),
)


def _options(place: str) -> tuple[Value, ...]:
    return (
        Value(
            "model",
            "A model from `GET /models.json`. If absent: the default model.",
            {"type": "string"},
            place,
        ),
        Value(
            "threshold",
            "Confidence threshold. If absent: the model's own for detection, none for "
            "classification.",
            {"type": "number", "minimum": 0, "maximum": 1},
            place,
        ),
        Value(
            "top_k",
            "Maximum number of results. If absent: the model's own setting.",
            {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS},
            place,
        ),
    )


_PHOTO: Schema = {"type": "string", "format": "binary"}
_PHOTOS = Value(
    "photo",
    "The picture: JPEG, PNG, WebP, BMP or GIF. Several pictures get an array of answers.",
    {"type": "array", "items": _PHOTO, "minItems": 1},
    "form",
    required=True,
    example="photo.jpg",
)
_BODY = Value(
    "body",
    "The picture: JPEG, PNG, WebP, BMP or GIF.",
    _PHOTO,
    "body",
    required=True,
    example="photo.jpg",
)
_FILENAME = Value("filename", "File name to show with the result.", {"type": "string"})
_REFUSALS = (
    refusal(
        BadRequest,
        "No picture, a damaged picture, or a value out of range.",
        "please follow the api instruction",
    ),
    refusal(
        ImageTooLarge,
        "More than {max_mb} MB or {max_megapixels} megapixels.",
        "expected at most 20 MB a picture",
        stage="upload",
        limit=20_000_000,
        setting="max_upload_mb",
    ),
    refusal(
        UnsupportedFormat,
        "Not a picture, or a picture in an unsupported format.",
        "not supported file format (jpg, png)",
        stage="probe",
    ),
    refusal(
        TooExpensive,
        "A picture that costs far more to read than others of its size.",
        "expected at most 100 scans in a JPEG, got 101 or more; save the picture anew",
        stage="header",
        limit=100,
    ),
    refusal(ScaiError, "Internal error; the server's log has the details.", MISTAKE),
    refusal(
        ClientLimit,
        "Too many photos of this client wait.",
        "50000 photos of yours wait already; try again in 40 s",
        retry_after=40,
        limit=50_000,
        setting="max_waiting_per_client",
    ),
    refusal(
        Busy,
        "The queue is full.",
        "the queue is full; try again in 60 s",
        retry_after=60,
        limit=100_000,
        setting="max_waiting",
    ),
    refusal(
        StorageFull,
        "The disk is full.",
        "the server has no room to keep the upload; try again in 60 s",
        retry_after=60,
    ),
)


def _uploads(kind: Kind) -> tuple[Operation, ...]:
    one_or_many: Schema = {
        "oneOf": [ref("Upload"), rows("One answer per photo.", ref("UploadOrRefusal"))]
    }
    usage = Answer(
        200,
        "How to send a picture.",
        "Usage",
        {
            **_USAGE,
            "error": _USAGE["sessname"],
            "code": "bad_request",
            "usage": "POST a picture in the multipart field photo …",
        },
    )
    return (
        Operation(
            "POST",
            kind.upload,
            kind.api.post,
            "When the answer arrives, the photo is safely stored and will be recognised. "
            "Fetch the result with the task and the key from the answer. Each of several "
            "photos succeeds or fails on its own.",
            (_PHOTOS, *_options("form")),
            (FORM,),
            (
                Answer(
                    200,
                    "Accepted: one object, or an array for several photos.",
                    one_or_many,
                    _RECEIPT,
                ),
                *(replace(answer, schema="Refusals") for answer in _REFUSALS),
            ),
            kind=kind.name,
            opens="session",
        ),
        Operation(
            "PUT",
            kind.upload,
            kind.api.put,
            "The body is the picture itself, whatever its media type says. POST works as well.",
            (_BODY, *_options("query"), _FILENAME),
            (BYTES,),
            (Answer(200, "Accepted.", "Upload", _RECEIPT), *_REFUSALS),
            kind=kind.name,
            opens="session",
        ),
        *(
            Operation(method, kind.upload, kind.api.usage, "", (), (), (usage,), listed=False)
            for method in ("GET", "OPTIONS")
        ),
    )


_SCHEMAS: dict[str, Schema] = {
    "Upload": _UPLOAD,
    "Problem": record("An error, with its reason.", "status error code", **_PROBLEM),
    "Refusal": _REFUSAL,
    "Refusals": {"oneOf": [ref("Refusal"), rows("One per photo.", ref("Refusal"))]},
    "UploadOrRefusal": {"oneOf": [ref("Upload"), ref("Refusal")]},
    "Usage": _HOW,
}


def group(kinds: Iterable[Kind]) -> Group:
    """The operations that send a photo to one of these kinds of recognition."""
    return Group(
        "Recognise",
        "Send a photo. The answer comes at once; fetch the result under Results.",
        tuple(operation for kind in kinds for operation in _uploads(kind)),
        _SCHEMAS,
    )
