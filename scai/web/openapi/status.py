"""Whether the server is well, what it is, and how it is doing."""

from __future__ import annotations

from typing import Any

from scai import __version__
from scai.web.openapi.operations import (
    KIND_NAMES,
    Answer,
    Group,
    Operation,
    Schema,
    number,
    record,
    ref,
    rows,
    text,
    whole,
    yes_no,
)

_LEVELS = ["good", "note", "warn", "bad"]


def _known_or_null(about: str) -> Schema:
    return {"type": ["number", "null"], "description": about}


_SCHEMAS: dict[str, Schema] = {
    "Alive": record("A sign of life.", "status", status=text("Always `ok`.", enum=["ok"])),
    "Ready": record(
        "Whether the server is ready.",
        "ready runningmode warm_workers disk_writable",
        ready=yes_no("Whether it is ready."),
        runningmode=text(
            "`runtime`: workers stay; `job`: a process for each photo.", enum=["runtime", "job"]
        ),
        warm_workers={
            "type": "object",
            "description": "Workers with a loaded model, by kind of recognition.",
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        disk_writable=yes_no("Whether the disk takes a file now."),
    ),
    "Version": record(
        "What the server is.",
        "version durability",
        version=text("The version of SCAI."),
        durability=text(
            "When uploads and verdicts are flushed to the disk.", enum=["always", "group", "off"]
        ),
    ),
    "Status": record(
        "The server as it is now; at most a second old.",
        "level findings time version uptime_s settings waiting running held per_minute hour queues "
        "failures portal disk",
        level=text("The worst of the findings; `good`: all is well.", enum=_LEVELS),
        findings=rows(
            "What a person should know, worst first.",
            record(
                "A finding.",
                "code level",
                code=text("Which one, for programs."),
                level=text("How bad it is.", enum=_LEVELS[1:]),
                kind=text("The kind of recognition, if it is about one.", enum=KIND_NAMES),
            ),
        ),
        time=number("Now, in seconds since 1970."),
        version=text("The version of SCAI."),
        uptime_s=number("Seconds since this process began."),
        settings={"type": "object", "description": "The settings that matter here."},
        waiting=whole("Photos that wait."),
        running=whole("Photos that are being recognised."),
        held=whole("Photos set aside for a person to look at."),
        per_minute=number("Verdicts of the last minute."),
        hour=ref("Hour"),
        queues=rows("One for each kind of recognition.", ref("Queue")),
        failures=rows(
            "Why photos failed in the last hour, the most frequent reason first.",
            record(
                "A reason.",
                "kind code stage reason count last",
                kind=text("The kind of recognition.", enum=KIND_NAMES),
                code=text("The reason's code, for programs."),
                stage=text("Where it happened."),
                reason=text("The reason."),
                count=whole("How often."),
                last=number("The last time, in seconds since 1970."),
            ),
        ),
        portal=record(
            "The process that answers.",
            "pid memory_bytes",
            pid=whole("Its number."),
            memory_bytes=_known_or_null("Its memory; null: not known."),
        ),
        disk={
            "description": "The disk of the photos; null: not known.",
            "type": ["object", "null"],
            "properties": {
                "free_bytes": whole("Room that is left."),
                "total_bytes": whole("All room."),
                "sessions": whole("Photos that are kept."),
            },
        },
    ),
    "Hour": record(
        "The verdicts of the last hour.",
        "count failures p50_ms p95_ms",
        count=whole("How many."),
        failures=whole("How many of them failed."),
        p50_ms=_known_or_null("Milliseconds from upload to verdict, of the middle one."),
        p95_ms=_known_or_null("The same, which 95 of 100 did not pass."),
    ),
    "Queue": record(
        "One kind of recognition.",
        "kind waiting running held oldest_s ages per_minute last_verdict hour minutes workers "
        "holds",
        kind=text("The kind of recognition.", enum=KIND_NAMES),
        waiting=whole("Photos that wait."),
        running=whole("Photos that are being recognised."),
        held=whole("Photos set aside for a person to look at."),
        oldest_s=_known_or_null("Seconds that the oldest waits; null: none waits."),
        ages=rows(
            "How many wait how long.",
            record(
                "A group.",
                "up_to count",
                up_to=_known_or_null("Seconds at most; null: longer."),
                count=whole("How many."),
            ),
        ),
        per_minute=number("Verdicts of the last minute."),
        last_verdict=_known_or_null("The minute of the last verdict, in seconds since 1970."),
        hour=ref("Hour"),
        minutes=rows(
            "Each minute of the last hour, oldest first.",
            record(
                "A minute.",
                "time count failures p50_ms p95_ms waited_ms",
                time=number("Its beginning, in seconds since 1970."),
                count=whole("How many."),
                failures=whole("How many of them failed."),
                p50_ms=_known_or_null("Milliseconds from upload to verdict, of the middle one."),
                p95_ms=_known_or_null("The same, which 95 of 100 did not pass."),
                waited_ms=_known_or_null("Milliseconds that they waited, on average."),
            ),
        ),
        workers=rows(
            "The living workers.",
            record(
                "A worker.",
                "id state model done",
                id=text("Which one."),
                pid=whole("Its process."),
                state=text("What it does.", enum=["loading", "busy", "idle"]),
                in_hand=whole("Photos that it has taken."),
                model=text("The model that it began with."),
                engine=text("The library that runs it."),
                plan=text("How that library runs it."),
                batch=whole("Most photos in one run."),
                done=whole("Photos that it did."),
                age_s=number("Seconds since it began."),
                memory_bytes=_known_or_null("Its memory; null: not known."),
            ),
        ),
        holds=rows(
            "Why photos were set aside.",
            record(
                "A reason.", "reason count", reason=text("The reason."), count=whole("How often.")
            ),
        ),
    ),
}
_READY = {
    "ready": True,
    "runningmode": "runtime",
    "warm_workers": {"image_classification": 1, "object_detection": 1},
    "disk_writable": True,
}
_NONE: dict[str, Any] = {"count": 0, "failures": 0, "p50_ms": None, "p95_ms": None}

GROUP = Group(
    "Status and health",
    "For people on watch, load balancers and monitoring.",
    (
        Operation(
            "GET",
            "/status.json",
            "How the server is doing",
            "Queues, workers, the last hour, failures with their reasons, the disk.",
            answers=(
                Answer(
                    200,
                    "Its state.",
                    "Status",
                    {
                        "level": "good",
                        "findings": [],
                        "waiting": 0,
                        "per_minute": 12.0,
                        "hour": _NONE,
                    },
                ),
            ),
        ),
        Operation(
            "GET",
            "/healthz",
            "Whether the server lives",
            answers=(Answer(200, "It lives.", "Alive", {"status": "ok"}),),
        ),
        Operation(
            "GET",
            "/readyz",
            "Whether the server is ready for photos",
            "Ready is a server whose disk takes a file and whose workers have loaded a model of "
            "each kind.",
            answers=(
                Answer(200, "It is ready.", "Ready", _READY),
                Answer(
                    503,
                    "It is not ready, or not yet.",
                    "Ready",
                    {
                        **_READY,
                        "ready": False,
                        "warm_workers": {"image_classification": 0, "object_detection": 1},
                    },
                ),
            ),
        ),
        Operation(
            "GET",
            "/version",
            "What the server is",
            answers=(
                Answer(
                    200, "Its version.", "Version", {"version": __version__, "durability": "group"}
                ),
            ),
        ),
        Operation(
            "GET",
            "/openapi.json",
            "This description, for programs",
            "OpenAPI 3.1, with the address under which it was asked for.",
            answers=(Answer(200, "The description.", {"type": "object"}, {"openapi": "3.1.0"}),),
        ),
    ),
    _SCHEMAS,
)
