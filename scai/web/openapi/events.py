"""Being told what becomes of photos, as it happens."""

from __future__ import annotations

from scai.errors import BadRequest, Busy
from scai.web.openapi.operations import (
    SESSION,
    Answer,
    Group,
    Operation,
    Schema,
    Value,
    problem,
    record,
    rows,
    text,
)

MAX_TASKS = 64
_TASK, _KEY = SESSION
_EXAMPLE = """retry: 1000

event: state
data: {"task": "d-20261121-019aa6…", "state": "initialization", "place": 2}

event: state
data: {"task": "d-20261121-019aa6…", "state": "processing", "place": null}

event: result
data: {"task": "d-20261121-019aa6…", "state": "complete", "predictions": […], …}

event: end
data: {}
"""


def _several(value: Value) -> Value:
    schema: Schema = {**rows("", value.schema), "minItems": 1, "maxItems": MAX_TASKS}
    del schema["description"]
    about = {
        "task": "The `sessname` of an upload's answer; may be repeated, 64 times at most.",
        "key": "The `sesskey` of the same upload; as many, in the same order.",
    }
    return Value(value.name, about[value.name], schema, required=True, example=value.example)


GROUP = Group(
    "Events",
    "What becomes of photos, told as it happens, over one connection for many of them.",
    (
        Operation(
            "GET",
            "/events",
            "Follow photos until each has its verdict",
            "Server-sent events. `state`: it waits, behind `place` others, or is being recognised. "
            "`result`: the verdict, with the keys of Result, and `task`. `gone`: there is no such "
            "task for that key, or no more. `beat`: nothing happened for a while. `end`: nothing "
            "is left to follow. A stream that stops without `end` may be asked for again.",
            (_several(_TASK), _several(_KEY)),
            answers=(
                Answer(
                    200,
                    "The events, as they happen.",
                    "Event",
                    _EXAMPLE,
                    "text/event-stream",
                ),
                problem(
                    BadRequest,
                    "No task, too many, or not as many keys.",
                    "expected 1 to 64 times task= and key=, got 2 and 1",
                ),
                problem(
                    Busy,
                    "Too many are listening already.",
                    "too many wait already; ask for each result instead",
                    retry_after=10,
                ),
            ),
        ),
    ),
    {
        "Event": record(
            "Something that happened.",
            "",
            event=text(
                "What happened.", enum=["state", "result", "gone", "beat", "end", "message"]
            ),
            data=text("What there is to know of it, as JSON."),
            retry=text("Milliseconds after which browsers ask again."),
        )
    },
)
