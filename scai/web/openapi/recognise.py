"""Sending pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scai.errors import (
    MISTAKE,
    BadRequest,
    Busy,
    ImageTooLarge,
    ScaiError,
    StorageFull,
    UnsupportedFormat,
)
from scai.kinds import Kind
from scai.settings import MOST_RESULTS
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
_TAKEN = {
    "status": "success",
    "filename": "photo.jpg",
    "datetime": "2026/11/21 13:28:13",
    "sessname": A_TASK,
    "sesskey": A_KEY,
}
_PLAIN = {"status": "error", "filename": "", "datetime": "", "sesskey": ""}
_USAGE = {**_PLAIN, "sessname": "please follow the api instruction"}

_UPLOAD = record(
    "What came of one picture.",
    "status filename datetime sessname sesskey",
    status=text("`success`: it will get its verdict, whatever happens.", enum=["success"]),
    filename=text("The name it was sent under, without folders."),
    datetime=text("When it came, in the server's time."),
    sessname=text("Its task: with the key, it opens the result.", pattern=TASK),
    sesskey=text("Its key. Nobody can guess it; keep it.", pattern=KEY),
)
_PROBLEM = {
    "status": text("Always `error`.", enum=["error"]),
    "error": text("What was expected and what came, for people."),
    "code": text("The kind of error, for programs."),
    "stage": text("Where it happened, if known."),
    "limit": number("The limit that was passed, if one was."),
    "setting": text("The server's setting of that limit."),
    "retry_after": number("Seconds after which to try again."),
}
_SEED = {
    "filename": text("Empty."),
    "datetime": text("Empty."),
    "sessname": text("The same sentence as in `error`."),
    "sesskey": text("Empty."),
}
_REFUSAL = record(
    "A refusal of an address that the original SCAI had: with its five keys besides.",
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
            "A model of `GET /models.json`; absent: the default one.",
            {"type": "string"},
            place,
        ),
        Value(
            "threshold",
            "Least score of a result. Absent: the model's own for detection, else none.",
            {"type": "number", "minimum": 0, "maximum": 1},
            place,
        ),
        Value(
            "top_k",
            "Most results. Absent: as many as the model's section says.",
            {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS},
            place,
        ),
    )


_PHOTO: Schema = {"type": "string", "format": "binary"}
_PHOTOS = Value(
    "photo",
    "The picture: JPEG, PNG, WebP, BMP or GIF. Several at once are answered by an array.",
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
_FILENAME = Value("filename", "The name to show.", {"type": "string"})
_REFUSALS = (
    refusal(
        BadRequest,
        "No picture, a damaged one, or a value out of its range.",
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
        "It is no picture, or one of another format.",
        "not supported file format (jpg, png)",
        stage="probe",
    ),
    refusal(ScaiError, "A mistake of the server; its log says more.", MISTAKE),
    refusal(Busy, "The queue is full.", "the queue is full; try again in a minute", retry_after=60),
    refusal(
        StorageFull,
        "The disk is full.",
        "the server has no room left for pictures; try again later",
    ),
)


def _uploads(kind: Kind) -> tuple[Operation, ...]:
    one_or_many: Schema = {
        "oneOf": [ref("Upload"), rows("One answer a photo.", ref("UploadOrRefusal"))]
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
            "Once it is answered, the photo is on stable storage and will get a verdict. Ask for "
            "it with the task and the key of the answer. Each of several photos stands or falls "
            "by itself.",
            (_PHOTOS, *_options("form")),
            (FORM,),
            (
                Answer(
                    200, "Taken: one object, or an array for several photos.", one_or_many, _TAKEN
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
            "The body is the picture and nothing else, whatever its type says. POST takes it too.",
            (_BODY, *_options("query"), _FILENAME),
            (BYTES,),
            (Answer(200, "Taken.", "Upload", _TAKEN), *_REFUSALS),
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
    "Problem": record("A refusal, with the reason.", "status error code", **_PROBLEM),
    "Refusal": _REFUSAL,
    "Refusals": {"oneOf": [ref("Refusal"), rows("One a photo.", ref("Refusal"))]},
    "UploadOrRefusal": {"oneOf": [ref("Upload"), ref("Refusal")]},
    "Usage": _HOW,
}


def group(kinds: Iterable[Kind]) -> Group:
    """The operations that send a photo to one of these kinds of recognition."""
    return Group(
        "Recognise",
        "Send a photo. The answer comes at once; the verdict follows under Results.",
        tuple(operation for kind in kinds for operation in _uploads(kind)),
        _SCHEMAS,
    )
