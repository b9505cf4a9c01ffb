"""Results: the verdict on one picture, and the pictures themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scai.errors import MISTAKE, InUse, NotFound, ScaiError
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
_LABEL = text("What it is.")
_SCORE = number("How sure the model is, 0 to 1.")
_SCHEMAS: dict[str, Schema] = {
    "Class": record(
        "One answer of a classifier.",
        "label index score",
        label=_LABEL,
        index=whole("Its line in the label file, from 0."),
        score=_SCORE,
    ),
    "Box": record(
        "A box, in pixels of the upright picture from its left and upper edge.",
        "x_min y_min x_max y_max",
        x_min=number("Left edge."),
        y_min=number("Upper edge."),
        x_max=number("Right edge."),
        y_max=number("Lower edge."),
    ),
    "Object": record(
        "One object that was found.",
        "label class_id score box",
        label=_LABEL,
        class_id=whole("Its id in the label file."),
        score=_SCORE,
        box=ref("Box"),
    ),
    "Removed": record(
        "A photo that is gone.",
        "status sessname",
        status=text("Always `success`.", enum=["success"]),
        sessname=text("The task that it was."),
    ),
    "Result": record(
        "How far a recognition is, and what came of it.",
        "state job message result result_image",
        state=text(
            "`initialization`: waits; `processing`; then `complete` or `failure`, which never "
            "change.",
            enum=_STATES,
        ),
        job=text("The kind of recognition.", enum=KIND_NAMES),
        message=text("A sentence for people."),
        result=text("Classification: label to percent, as JSON in a string. For old clients."),
        result_image=text("`output.png` when there is an annotated picture, else empty."),
        predictions={
            "description": "What was found, best first. An empty array: nothing.",
            "oneOf": [
                {"type": "array", "maxItems": 0},
                {"type": "array", "items": ref("Class"), "minItems": 1},
                {"type": "array", "items": ref("Object"), "minItems": 1},
            ],
        },
        image=record(
            "The picture that was looked at.",
            "width height orientation",
            width=whole("Pixels of the upright picture."),
            height=whole("Pixels of the upright picture."),
            orientation=whole("The EXIF orientation that it came in, 1 to 8."),
        ),
        model=text("The model that answered; until then, what was asked for."),
        engine=text("The library that ran the model."),
        timing={
            "type": "object",
            "description": "Milliseconds: `waited_ms`, `decode_ms`, `infer_ms`, `draw_ms`.",
            "additionalProperties": {"type": "number"},
        },
        batch=whole("How many pictures were recognised together."),
        threshold=number("As it was asked for."),
        top_k=whole("As it was asked for."),
        filename=text("The name of the picture."),
        datetime=text("When it came, in the server's time."),
        created=number("The same in seconds since 1970."),
        error=text("After a failure: the reason."),
        code=text("After a failure: the reason's code, for programs."),
        stage=text("After a failure: where it happened."),
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
    "Seconds to hold the answer back until there is a verdict: long polling. {max_wait} at most.",
    {"type": "number", "minimum": 0},
    example="20",
)
_UNKNOWN = refusal(
    NotFound,
    "No such task, a wrong key, or a task of the other kind.",
    "no available task, key or job",
)
_MISTAKE = refusal(ScaiError, "A mistake of the server; its log says more.", MISTAKE)
_BYTES: Schema = {"type": "string", "format": "binary"}
_PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif")


def _picture(
    path: str, kind: str, summary: str, about: str, types: tuple[str, ...], save: str
) -> Operation:
    kept = {"ETag": "Its mark, for `If-None-Match`."}
    there = tuple(Answer(200, "The picture.", _BYTES, type=each, headers=kept) for each in types)
    return Operation(
        "GET",
        path,
        summary,
        about,
        SESSION,
        (),
        (
            *there,
            Answer(206, "A part of it, when `Range` asked for one.", type="*/*"),
            Answer(304, "It is the one that `If-None-Match` names."),
            Answer(
                404, "No such task, or no picture yet: a placeholder.", _BYTES, type="image/jpeg"
            ),
            Answer(416, "There is no such part of it.", type="text/html"),
            _MISTAKE,
        ),
        kind=kind,
        save=save,
    )


def _results(kind: Kind) -> tuple[Operation, ...]:
    found = [
        Operation(
            "GET",
            kind.result,
            kind.api.result,
            "Answered at once with the state as it is, or, with `wait`, as soon as there is a "
            "verdict. Ask again until `state` is `complete` or `failure`.",
            (*SESSION, _WAIT),
            (),
            (
                Answer(
                    200,
                    "The state, and the verdict if there is one.",
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
            "It is gone at once, with all that came of it; while it waits, it will never run.",
            SESSION,
            (),
            (
                Answer(200, "It is gone.", "Removed", {"status": "success", "sessname": A_TASK}),
                _UNKNOWN,
                refusal(
                    InUse,
                    "It is being recognised; delete it when that is over.",
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
            "Byte for byte, with its true type. It never changes, so it may be kept.",
            _PICTURE_TYPES,
            "photo.jpg",
        ),
    ]
    if kind.output:
        found.append(
            _picture(
                kind.output,
                kind.name,
                "The photo with the boxes drawn on it",
                "A PNG of the upright photo; there once the verdict is `complete`.",
                ("image/png",),
                "boxes.png",
            )
        )
    return tuple(found)


def _example(kind: Kind) -> dict[str, Any]:
    """A verdict of this kind; the record's message begins with the name of the kind."""
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
        "The verdict on a photo and its pictures, for whoever has its task and key.",
        tuple(operation for kind in kinds for operation in _results(kind)),
        _SCHEMAS,
    )
