"""What the answers about batches hold."""

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
    "How many photos are in which state.",
    "all",
    all=whole("All of them."),
    **{state: whole("Those in this state.") for state in STATES},
)
_TAKEN = record(
    "A photo that was taken.",
    "n name task key",
    n=whole("Its number in the batch, from 1."),
    name=text("Its name."),
    task=text("Its task, as of any other photo."),
    key=text("Its key."),
)
SCHEMAS: dict[str, Schema] = {
    "Batch": record(
        "A batch, and the photos of it that changed.",
        "id state kind counts cursor more items",
        id=text("The batch."),
        state=text(
            "`open`: photos may be added; `running`: some have no verdict yet; `complete`.",
            enum=["open", "running", "complete"],
        ),
        kind=text("The kind of recognition.", enum=KIND_NAMES),
        created=number("When it was made, in seconds since 1970."),
        expected=whole("How many photos its maker meant to add; 0: that was not said."),
        model=text("As it was asked for."),
        threshold=number("As it was asked for."),
        top_k=whole("As it was asked for."),
        counts=_COUNTS,
        cursor=text("Give it as `after` to be told only of what changed since."),
        more=yes_no("Whether there is more to be had at once, with the new cursor."),
        items=rows("Photos that changed, in the order of their changes.", ref("BatchPhoto")),
    ),
    "BatchPhoto": record(
        "A photo of a batch.",
        "n name state",
        n=whole("Its number in the batch, from 1."),
        name=text("Its name, with its folder in the ZIP."),
        state=text("How far it is; `refused`: it was never taken.", enum=STATES),
        task=text("Its task, as of any other photo."),
        key=text("Its key."),
        model=text("The model that answered."),
        objects=whole("How many predictions there are."),
        labels=rows(
            "What was found, each label once.",
            record(
                "A label.",
                "label score count",
                label=text("What it is."),
                score=number("The highest score."),
                count=whole("How often."),
            ),
        ),
        ms={
            "type": ["number", "null"],
            "description": "Milliseconds that the server worked on it.",
        },
        error=text("After a failure or a refusal: the reason."),
        code=text("The reason's code, for programs."),
    ),
    "Added": record(
        "What came of the photos of a request.",
        "status id key state counts taken refused",
        status=text(
            "`error` when none was taken and some were refused.", enum=["success", "error"]
        ),
        id=text("The batch."),
        key=text("Its key. Nobody can guess it; keep it."),
        state=text("As in Batch.", enum=["open", "running", "complete"]),
        counts=_COUNTS,
        taken=rows("Photos that will get their verdicts.", _TAKEN),
        refused=rows(
            "Photos that will not, each with the reason.",
            record(
                "A refusal.",
                "name error code",
                name=text("Its name."),
                error=text("What was expected and what came."),
                code=text("The kind of error, for programs."),
            ),
        ),
        error=text("The first reason, when none was taken."),
        code=text("The first reason's code."),
        retry_after=number("Seconds after which to send the rest again, with the same `portion`."),
    ),
    "BatchRemoved": record(
        "What was deleted.",
        "status removed in_work",
        status=text("`success`: all of it.", enum=["success", "error"]),
        removed=whole("How many photos are gone."),
        in_work=rows("Tasks that are being recognised and stay.", {"type": "string"}),
        error=text("Why something stays."),
        code=text("The reason's code, for programs."),
    ),
}
