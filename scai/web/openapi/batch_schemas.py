"""The schemas of answers about batches."""

from __future__ import annotations

from scai.web.openapi.operations import (
    KIND_NAMES,
    Schema,
    number,
    record,
    ref,
    rows,
    text,
    whole,
    yes_no,
)

STATES = ["waiting", "processing", "complete", "failure", "removed", "refused"]

_COUNTS = record(
    "Number of photos in each state.",
    "all",
    all=whole("All photos."),
    **{state: whole("Photos in this state.") for state in STATES},
)
_ACCEPTED_PHOTO = record(
    "An accepted photo.",
    "n name task key",
    n=whole("Its number in the batch, from 1."),
    name=text("Its name."),
    task=text("Its task, as for any other photo."),
    key=text("Its key."),
)
SCHEMAS: dict[str, Schema] = {
    "Batch": record(
        "A batch, and those of its photos that changed.",
        "id state kind counts cursor more items",
        id=text("The batch."),
        state=text(
            "`open`: photos may be added; `running`: some have no result yet; `complete`: "
            "all have one.",
            enum=["open", "running", "complete"],
        ),
        kind=text("The kind of recognition.", enum=KIND_NAMES),
        created=number("Creation time, in seconds since 1970."),
        expected=whole("Number of photos announced; 0 if none were."),
        model=text("As requested."),
        threshold=number("As requested."),
        top_k=whole("As requested."),
        counts=_COUNTS,
        cursor=text("Pass it as `after` to get only later changes."),
        more=yes_no("Whether more changes are available now, with the new cursor."),
        items=rows("Photos that changed, in the order of the changes.", ref("BatchPhoto")),
    ),
    "BatchPhoto": record(
        "A photo of a batch.",
        "n name state",
        n=whole("Its number in the batch, from 1."),
        name=text("Its file name, with its folder in the ZIP."),
        state=text("Its state; `refused`: it was not accepted.", enum=STATES),
        task=text("Its task, as for any other photo."),
        key=text("Its key."),
        model=text("The model that was used."),
        objects=whole("Number of predictions."),
        labels=rows(
            "The predicted labels, each once.",
            record(
                "A label.",
                "label score count",
                label=text("Name of the class."),
                score=number("The highest score."),
                count=whole("Number of occurrences."),
            ),
        ),
        ms={
            "type": ["number", "null"],
            "description": "Processing time in milliseconds.",
        },
        error=text("The reason, after a failure or a refusal."),
        code=text("The code of the reason, for programs."),
    ),
    "Added": record(
        "Which photos of a request were accepted and which were refused.",
        "status id key state counts taken refused",
        status=text(
            "`error` if no photo was accepted and some were refused.", enum=["success", "error"]
        ),
        id=text("The batch."),
        key=text("Its key. It cannot be guessed; keep it."),
        state=text("As in Batch.", enum=["open", "running", "complete"]),
        counts=_COUNTS,
        taken=rows("The accepted photos, which will be recognised.", _ACCEPTED_PHOTO),
        refused=rows(
            "The refused photos, each with the reason.",
            record(
                "A refusal.",
                "name error code",
                name=text("Its name."),
                error=text("What was expected and what was received."),
                code=text("The kind of error, for programs."),
            ),
        ),
        error=text("The first reason, if no photo was accepted."),
        code=text("The code of the first reason."),
        retry_after=number(
            "Seconds to wait before sending the rest again with the same `portion`."
        ),
    ),
    "BatchRemoved": record(
        "What was deleted.",
        "status removed in_work",
        status=text("`success`: everything was deleted.", enum=["success", "error"]),
        removed=whole("Number of deleted photos."),
        in_work=rows("Tasks that are being recognised and were not deleted.", {"type": "string"}),
        error=text("Why some photos were not deleted."),
        code=text("The code of the reason, for programs."),
    ),
}
