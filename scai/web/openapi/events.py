"""The operation that streams the progress of photos."""

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
        "task": "The `sessname` from an upload's answer; may be repeated, at most 64 times.",
        "key": "The `sesskey` from the same upload; as many keys as tasks, in the same order.",
    }
    return Value(value.name, about[value.name], schema, required=True, example=value.example)


GROUP = Group(
    "Events",
    "Live progress of many photos over one connection.",
    (
        Operation(
            "GET",
            "/events",
            "Follow photos until each has its result",
            "Server-sent events. `state`: the photo waits behind `place` others, or is "
            "being recognised. `result`: the result, with the keys of Result and `task`. "
            "`gone`: no such task for that key, or it was deleted. `beat`: nothing happened"
            " for a while. `end`: nothing is left to follow. If a stream stops without "
            "`end`, connect again.",
            (_several(_TASK), _several(_KEY)),
            answers=(
                Answer(
                    200,
                    "The events as they happen.",
                    "Event",
                    _EXAMPLE,
                    "text/event-stream",
                ),
                problem(
                    BadRequest,
                    "No task, too many tasks, or a different number of keys.",
                    "expected 1 to 64 times task= and key=, got 2 and 1",
                ),
                problem(
                    Busy,
                    "Too many connections follow photos already.",
                    "too many wait already; ask for each result instead",
                    retry_after=10,
                ),
            ),
        ),
    ),
    {
        "Event": record(
            "An event.",
            "",
            event=text(
                "Type of the event.", enum=["state", "result", "gone", "beat", "end", "message"]
            ),
            data=text("Details as JSON."),
            retry=text("Milliseconds before a browser connects again."),
        )
    },
)
