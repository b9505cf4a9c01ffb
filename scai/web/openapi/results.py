"""The operations on results and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scai.errors import MISTAKE, InUse, NotFound, ScaiError
from scai.jobs import inputs
from scai.kinds import BOXES, LABELS, Kind
from scai.web.openapi.operations import (
    A_TASK,
    KIND_NAMES,
    SESSION,
    Answer,
    Group,
    Operation,
    Schema,
    Value,
    number,
    record,
    ref,
    refusal,
    text,
    whole,
)

_STATES = ["initialization", "processing", "complete", "failure"]
_LABEL = text("Name of the class.")
_SCORE = number("Confidence score, 0 to 1.")
_SCHEMAS: dict[str, Schema] = {
    "Class": record(
        "One class that a classifier predicted.",
        "label index score",
        label=_LABEL,
        index=whole("Its line in the labels file, from 0."),
        score=_SCORE,
    ),
    "Box": record(
        "A box in pixels of the upright picture, measured from the upper left corner.",
        "x_min y_min x_max y_max",
        x_min=number("Left edge."),
        y_min=number("Upper edge."),
        x_max=number("Right edge."),
        y_max=number("Lower edge."),
    ),
    "Object": record(
        "One detected object.",
        "label class_id score box",
        label=_LABEL,
        class_id=whole("Its id in the labels file."),
        score=_SCORE,
        box=ref("Box"),
    ),
    "Removed": record(
        "A deleted photo.",
        "status sessname",
        status=text("Always `success`.", enum=["success"]),
        sessname=text("Its former task."),
    ),
    "Result": record(
        "The state of a recognition, and its result.",
        "state job message result result_image",
        state=text(
            "`initialization`: waiting; `processing`: running; then `complete` or "
            "`failure`, which are final.",
            enum=_STATES,
        ),
        job=text("The kind of recognition.", enum=KIND_NAMES),
        message=text("A sentence for people."),
        result=text(
            "Classification only: a JSON object in a string, from label to percentage. For "
            "old clients."
        ),
        result_image=text("`output.png` if there is an annotated picture, else empty."),
        predictions={
            "description": "The predictions, the best first. The array is empty if there are none.",
            "oneOf": [
                {"type": "array", "maxItems": 0},
                {"type": "array", "items": ref("Class"), "minItems": 1},
                {"type": "array", "items": ref("Object"), "minItems": 1},
            ],
        },
        image=record(
            "The picture that was recognised.",
            "width height orientation",
            width=whole("In pixels of the upright picture."),
            height=whole("In pixels of the upright picture."),
            orientation=whole("The EXIF orientation of the upload, 1 to 8."),
        ),
        model=text("The model that was used; until then, the requested one."),
        engine=text("The library that ran the model."),
        timing={
            "type": "object",
            "description": "Milliseconds: `waited_ms`, `decode_ms`, `infer_ms`, `draw_ms`.",
            "additionalProperties": {"type": "number"},
        },
        batch=whole("Size of the inference batch: pictures recognised together."),
        threshold=number("As requested."),
        top_k=whole("As requested."),
        filename=text("File name of the picture."),
        datetime=text("When it arrived, in the server's local time."),
        created=number("The same in seconds since 1970."),
        error=text("After a failure: the reason."),
        code=text("After a failure: the code of the reason, for programs."),
        stage=text("After a failure: the stage at which it happened."),
    ),
}

_IMAGE = {"width": 640, "height": 480, "orientation": 1}
_COMMON = {
    "engine": "openvino",
    "timing": {"waited_ms": 3.1, "decode_ms": 6.4, "infer_ms": 11.9, "draw_ms": 0.0},
    "batch": 1,
    "filename": "photo.jpg",
    "datetime": "2026/11/21 13:28:13",
    "created": 1795267693.412,
}
_EXAMPLES = {
    LABELS: {
        "result": '{"cat": "97.3%", "dog": "1.2%"}',
        "predictions": [
            {"label": "cat", "index": 3, "score": 0.973},
            {"label": "dog", "index": 5, "score": 0.012},
        ],
        "image": _IMAGE,
        "model": "objects",
        **_COMMON,
    },
    BOXES: {
        "result": "",
        "predictions": [
            {
                "label": "7",
                "class_id": 8,
                "score": 0.998,
                "box": {"x_min": 81.5, "y_min": 40.2, "x_max": 140.9, "y_max": 155.0},
            }
        ],
        "image": _IMAGE,
        "model": "digit-detector",
        **_COMMON,
    },
}
_WAIT = Value(
    "wait",
    "Long polling: seconds to wait for the result, at most {max_wait}.",
    {"type": "number", "minimum": 0},
    example="20",
)
_UNKNOWN = refusal(
    NotFound,
    "No such task, a wrong key, or a task of another kind.",
    "no available task, key or job",
)
_MISTAKE = refusal(ScaiError, "Internal error; the server's log has the details.", MISTAKE)
_BYTES: Schema = {"type": "string", "format": "binary"}


def _picture(
    path: str, kind: str, summary: str, about: str, types: tuple[str, ...], save: str
) -> Operation:
    headers = {"ETag": "Version of the content, for `If-None-Match`."}
    there = tuple(Answer(200, "The picture.", _BYTES, type=each, headers=headers) for each in types)
    return Operation(
        "GET",
        path,
        summary,
        about,
        SESSION,
        (),
        (
            *there,
            Answer(206, "The part that `Range` asked for.", type="*/*"),
            Answer(304, "Not changed since the version in `If-None-Match`."),
            Answer(
                404, "No such task, or no picture yet: a placeholder.", _BYTES, type="image/jpeg"
            ),
            Answer(416, "The part that `Range` asked for does not exist.", type="text/html"),
            _MISTAKE,
        ),
        kind=kind,
        save=save,
    )


def _results(kind: Kind) -> tuple[Operation, ...]:
    operations = [
        Operation(
            "GET",
            kind.result,
            kind.api.result,
            "Returns the current state at once or, with `wait`, as soon as there is a "
            "result. Ask again until `state` is `complete` or `failure`.",
            (*SESSION, _WAIT),
            (),
            (
                Answer(
                    200,
                    "The state, and the result if there is one.",
                    "Result",
                    _example(kind),
                ),
                _UNKNOWN,
                _MISTAKE,
            ),
            kind=kind.name,
        ),
        Operation(
            "DELETE",
            kind.result,
            kind.api.remove,
            "Deletes the photo and its result at once. A photo that still waits will not be"
            " recognised.",
            SESSION,
            (),
            (
                Answer(200, "Deleted.", "Removed", {"status": "success", "sessname": A_TASK}),
                _UNKNOWN,
                refusal(
                    InUse,
                    "It is being recognised; try again when that has finished.",
                    "this photo is being recognised; remove it when that is over",
                ),
                _MISTAKE,
            ),
            kind=kind.name,
        ),
        _picture(
            kind.input,
            kind.name,
            kind.api.input,
            "The original bytes, with the media type that they really have. They never "
            "change, so they may be cached.",
            inputs.of(kind).media_types,
            "photo.jpg",
        ),
    ]
    if kind.output:
        operations.append(
            _picture(
                kind.output,
                kind.name,
                "The photo with the boxes drawn on it",
                "A PNG of the upright photo, available once `state` is `complete`.",
                ("image/png",),
                "boxes.png",
            )
        )
    return tuple(operations)


def _example(kind: Kind) -> dict[str, Any]:
    """An example result of this kind; its message begins with the name of the kind."""
    name = kind.name.replace("_", " ").capitalize()
    return {
        "state": "complete",
        "job": kind.name,
        "message": f"{name} finished on 13:28:14",
        **_EXAMPLES[kind.shape],
        "result_image": "output.png" if kind.output else "",
    }


def group(kinds: Iterable[Kind]) -> Group:
    """The operations that ask these kinds of recognition for what came of a photo."""
    return Group(
        "Results",
        "The result of a photo and its pictures, for anyone who has the task and the key.",
        tuple(operation for kind in kinds for operation in _results(kind)),
        _SCHEMAS,
    )
