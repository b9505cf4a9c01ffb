"""The operations on batches."""

from __future__ import annotations

from typing import Any

from scai.errors import (
    MISTAKE,
    ArchiveTooLarge,
    BadRequest,
    Busy,
    ClientLimit,
    NotFound,
    ScaiError,
    StorageFull,
)
from scai.settings import MAX_RESULTS
from scai.web.openapi.batch_schemas import SCHEMAS, STATES
from scai.web.openapi.operations import (
    A_KEY,
    A_TASK,
    KEY,
    KIND_NAMES,
    Answer,
    Group,
    Operation,
    Schema,
    Value,
    problem,
    ref,
)

_ID = "b-20261121-019aa6c4b0f27c1d9e3a5b6c7d8e9f0a1b2c3d4e"
_BYTES: Schema = {"type": "string", "format": "binary"}

_ID_VALUE = Value(
    "id",
    "The batch.",
    {"type": "string", "pattern": "^b-[0-9]{8}-[0-9a-f]{40}$"},
    "path",
    required=True,
    example="BATCH",
)
_KEY_VALUE = Value(
    "key",
    "The key of the batch.",
    {"type": "string", "pattern": KEY},
    required=True,
    example="KEY",
)
_ACCESS = (_ID_VALUE, _KEY_VALUE)
_PHOTOS = Value(
    "photo",
    "A picture; the field may be repeated.",
    {"type": "array", "items": _BYTES},
    "form",
    example="photo.jpg",
)
_ARCHIVE = Value(
    "archive",
    "A ZIP of pictures, with or without folders.",
    {"type": "string", "format": "zip"},
    "form",
)
_PORTION = Value(
    "portion",
    "A name of your choice for the photos of this request. If the answer is lost, "
    "send them again under the same name: none is added twice.",
    {"type": "string", "maxLength": 100},
    "form",
)
_FORM = "multipart/form-data"

_COUNTS = {"all": 2, **dict.fromkeys(STATES, 0), "waiting": 2}
_OUTCOME: dict[str, Any] = {
    "status": "success",
    "id": _ID,
    "key": A_KEY,
    "state": "running",
    "counts": _COUNTS,
    "taken": [{"n": 1, "name": "cats/1.jpg", "task": A_TASK, "key": A_KEY}],
    "refused": [],
}
_BATCH = {
    "id": _ID,
    "state": "running",
    "kind": "object_detection",
    "created": 1795267693.412,
    "expected": 0,
    "counts": {**_COUNTS, "waiting": 1, "complete": 1},
    "cursor": "5f2b8c1e-3",
    "more": False,
    "items": [
        {
            "n": 1,
            "state": "complete",
            "name": "page/1.jpg",
            "task": A_TASK,
            "key": A_KEY,
            "model": "digit-detector",
            "objects": 3,
            "labels": [{"label": "7", "score": 0.998, "count": 2}],
            "ms": 18.4,
        }
    ],
}
_UNKNOWN = problem(NotFound, "No such batch, or a wrong key.", "no available batch or key")
_MISTAKE = problem(ScaiError, "Internal error; the server's log has the details.", MISTAKE)


def _refusals(first: str) -> tuple[Answer, ...]:
    """The answers if no photo was accepted; `first` says when it is a 400."""
    some: Schema = {"anyOf": [ref("Problem"), ref("Added")]}
    problems = (
        problem(BadRequest, first, "kind: expected image_classification or object_detection"),
        problem(
            ArchiveTooLarge,
            "A photo, the ZIP or its content is too large.",
            "expected a ZIP of at most 500 MB",
            setting="max_batch_mb",
        ),
        Answer(415, "None of the files is a picture.", "Added"),
        Answer(422, "The first picture costs far more to read than others of its size.", "Added"),
        problem(Busy, "The queue is full.", "the queue is full", retry_after=60),
        problem(
            ClientLimit,
            "Too many photos of this client wait.",
            "50000 photos of yours wait already; try again in 40 s",
            retry_after=40,
        ),
        problem(
            StorageFull,
            "The disk is full.",
            "the server has no room to keep the upload; try again in 60 s",
            retry_after=60,
        ),
    )
    return (
        *(
            Answer(each.status, each.about, some, each.example, headers=each.headers)
            for each in problems
        ),
        _MISTAKE,
    )


GROUP = Group(
    "Batches",
    "Hundreds of photos together: send a ZIP or many files, follow them by one id, "
    "and download a table.",
    (
        Operation(
            "POST",
            "/batches",
            "Create a batch",
            "Send all photos at once, or none and `open` to add them in portions. A ZIP may"
            " have {max_batch_mb} MB, a batch {max_batch_photos} photos.",
            (
                Value(
                    "kind",
                    "The kind of recognition.",
                    {"type": "string", "enum": KIND_NAMES},
                    "form",
                    required=True,
                    example="object_detection",
                ),
                _PHOTOS,
                _ARCHIVE,
                Value(
                    "model",
                    "A model of that kind. If absent: the default model.",
                    {"type": "string"},
                    "form",
                ),
                Value(
                    "threshold",
                    "Confidence threshold.",
                    {"type": "number", "minimum": 0, "maximum": 1},
                    "form",
                ),
                Value(
                    "top_k",
                    "Maximum number of results per photo.",
                    {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS},
                    "form",
                ),
                Value(
                    "open",
                    "`1`: more photos will follow.",
                    {"type": "string"},
                    "form",
                ),
                Value(
                    "expected",
                    "Number of photos you plan to add; the page shows it.",
                    {"type": "integer", "minimum": 0},
                    "form",
                ),
                _PORTION,
            ),
            (_FORM,),
            (
                Answer(201, "Created.", "Added", _OUTCOME),
                *_refusals("Unknown kind or model, a value out of range, or an unreadable form."),
            ),
            opens="batch",
        ),
        Operation(
            "POST",
            "/batches/{id}/photos",
            "Add photos to a batch",
            "Send one portion after another; the last one closes the batch.",
            (
                *_ACCESS,
                _PHOTOS,
                _ARCHIVE,
                Value(
                    "last",
                    "`1`: no more photos will follow.",
                    {"type": "string"},
                    "form",
                    example="1",
                ),
                _PORTION,
            ),
            (_FORM,),
            (
                Answer(
                    200, "Which photos were accepted and which were refused.", "Added", _OUTCOME
                ),
                *_refusals("The batch is closed or full, or the form is unreadable."),
                _UNKNOWN,
            ),
        ),
        Operation(
            "GET",
            "/batches/{id}",
            "The state and the results of a batch",
            "With `after`, lists only the photos that changed since; with `wait`, answers "
            "as soon as one changes.",
            (
                *_ACCESS,
                Value("after", "The `cursor` of the previous answer.", {"type": "string"}),
                Value(
                    "wait",
                    "Long polling: seconds to wait for a change.",
                    {"type": "integer", "minimum": 0},
                ),
                Value(
                    "limit",
                    "Maximum number of photos in the answer.",
                    {"type": "integer", "minimum": 1, "maximum": 500},
                ),
            ),
            answers=(Answer(200, "The batch.", "Batch", _BATCH), _UNKNOWN, _MISTAKE),
        ),
        Operation(
            "GET",
            "/batches/{id}.csv",
            "All results of a batch as a table",
            "One row per prediction, and one for each photo without any. Text that a "
            "spreadsheet could read as a formula gets a leading quote.",
            _ACCESS,
            answers=(
                Answer(
                    200,
                    "The table.",
                    {"type": "string"},
                    "name,state,model,rank,label,score,x_min,y_min,x_max,y_max,error,task\n"
                    f"page/1.jpg,complete,digit-detector,1,7,0.998,81.5,40.2,140.9,155.0,,{A_TASK}\n",
                    "text/csv",
                    {"Content-Disposition": "The file name."},
                ),
                _UNKNOWN,
                _MISTAKE,
            ),
            save="results.csv",
        ),
        Operation(
            "DELETE",
            "/batches/{id}",
            "Delete a batch with all its photos",
            "Photos that still wait will not be recognised.",
            _ACCESS,
            answers=(
                Answer(
                    200,
                    "The whole batch is deleted.",
                    "BatchRemoved",
                    {"status": "success", "removed": 2, "in_work": []},
                ),
                _UNKNOWN,
                Answer(
                    409,
                    "Some photos are being recognised; delete the batch again when that has "
                    "finished.",
                    "BatchRemoved",
                    {
                        "status": "error",
                        "error": "some photos are being recognised; …",
                        "code": "in_use",
                        "removed": 1,
                        "in_work": [A_TASK],
                    },
                ),
                problem(
                    Busy,
                    "Photos are being added to the batch.",
                    "photos are being added to this batch; try again soon",
                    retry_after=2,
                ),
                _MISTAKE,
            ),
        ),
    ),
    SCHEMAS,
)
