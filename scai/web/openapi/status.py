"""The operations on the state, the health and the version of the server."""

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
    "Alive": record(
        "Confirms that the server is running.", "status", status=text("Always `ok`.", enum=["ok"])
    ),
    "Ready": record(
        "Whether the server is ready.",
        "ready reasons runningmode warm_workers recognised_s disk_writable",
        ready=yes_no("Whether it is ready."),
        reasons=rows("Why it is not ready; empty if it is.", text("A reason, in a sentence.")),
        runningmode=text(
            "`runtime`: resident workers; `job`: one process per photo.", enum=["runtime", "job"]
        ),
        warm_workers={
            "type": "object",
            "description": "Workers with a loaded model, by kind of recognition.",
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        recognised_s={
            "type": "object",
            "description": "Seconds since a worker last recognised a picture, by kind; null: "
            "never. A worker without photos recognises a small picture of its own now and then.",
            "additionalProperties": {"type": ["number", "null"], "minimum": 0},
        },
        disk_writable=yes_no("Whether the disk is writable."),
    ),
    "Version": record(
        "The version of the server, how safely it stores photos, and what decodes them.",
        "version durability decoders",
        version=text("The version of SCAI."),
        durability=text(
            "When uploads and results are flushed to the disk.", enum=["always", "group", "off"]
        ),
        decoders=rows(
            "The libraries that pictures go through.",
            record(
                "A library.",
                "name version use codecs",
                name=text("Its name."),
                version=text("Its version."),
                use=text("What it is used for."),
                codecs={
                    "type": "object",
                    "description": "The codecs in it that are used, with their versions.",
                    "additionalProperties": {"type": "string"},
                },
            ),
        ),
    ),
    "Status": record(
        "The current state of the server, at most one second old.",
        "level findings time version uptime_s settings waiting running held per_minute hour queues "
        "failures portal disk amounts",
        level=text(
            "The most severe level among the findings; `good` if there are none.", enum=_LEVELS
        ),
        findings=rows(
            "What the operator should know, the most severe first.",
            record(
                "A finding.",
                "code level",
                code=text("Its code, for programs."),
                level=text("Its severity.", enum=_LEVELS[1:]),
                kind=text("The kind of recognition, if it concerns only one.", enum=KIND_NAMES),
            ),
        ),
        time=number("Current time, in seconds since 1970."),
        version=text("The version of SCAI."),
        uptime_s=number("Seconds since this process started."),
        settings={"type": "object", "description": "Settings that matter here."},
        waiting=whole("Waiting photos."),
        running=whole("Photos being recognised."),
        held=whole("Photos on hold until the operator looks at them."),
        per_minute=number("Results in the last minute."),
        hour=ref("Hour"),
        queues=rows("One entry per kind of recognition.", ref("Queue")),
        failures=rows(
            "Reasons of failures in the last hour, the most frequent first.",
            record(
                "A reason.",
                "kind code stage reason count last",
                kind=text("The kind of recognition.", enum=KIND_NAMES),
                code=text("The code of the reason, for programs."),
                stage=text("The stage at which it happened."),
                reason=text("The reason."),
                count=whole("Number of occurrences."),
                last=number("The last time, in seconds since 1970."),
            ),
        ),
        portal=record(
            "The process that answered.",
            "memory_bytes",
            pid=whole("Its process ID."),
            memory_bytes=_known_or_null("Its memory in bytes; null if unknown."),
        ),
        disk={
            "description": "The disk that stores the photos; null if unknown.",
            "type": ["object", "null"],
            "properties": {
                "free_bytes": whole("Free space in bytes."),
                "total_bytes": whole("Total space in bytes."),
                "sessions": whole("Number of stored photos."),
            },
        },
        amounts={
            "description": "What bounds uploads, and how much of it is in use; empty if unknown.",
            "type": "object",
            "properties": {
                "waiting_bytes": whole("Bytes of the photos without a result."),
                "max_waiting_bytes": whole("The most of them."),
                "clients": whole("Clients with photos without a result."),
                "reserved_bytes": whole("Bytes that are kept for their results."),
                "reserved_inodes": whole("The same in files and folders (inodes)."),
                "floor_bytes": _known_or_null("Bytes that uploads leave free besides."),
                "floor_inodes": _known_or_null("The same in inodes; null if they have no limit."),
                "free_inodes": _known_or_null("Free inodes; null if they have no limit."),
                "refused": {
                    "description": "Uploads refused since the start, by code.",
                    "type": "object",
                },
                "disk_errors": whole("Writes of the portal that the disk refused."),
            },
        },
    ),
    "Hour": record(
        "Results of the last hour.",
        "count failures p50_ms p95_ms",
        count=whole("How many there were."),
        failures=whole("How many failed."),
        p50_ms=_known_or_null("Median time from upload to result, in milliseconds."),
        p95_ms=_known_or_null("95th percentile of the same time."),
    ),
    "Queue": record(
        "One kind of recognition.",
        "kind waiting running held oldest_s ages per_minute last_verdict hour minutes workers "
        "holds",
        kind=text("The kind of recognition.", enum=KIND_NAMES),
        waiting=whole("Waiting photos."),
        running=whole("Photos being recognised."),
        held=whole("Photos on hold until the operator looks at them."),
        oldest_s=_known_or_null("Age of the oldest waiting photo in seconds; null if none waits."),
        ages=rows(
            "Waiting photos by age.",
            record(
                "A group.",
                "up_to count",
                up_to=_known_or_null("Upper limit in seconds; null: no limit."),
                count=whole("How many there were."),
            ),
        ),
        per_minute=number("Results in the last minute."),
        last_verdict=_known_or_null("The minute of the last result, in seconds since 1970."),
        hour=ref("Hour"),
        minutes=rows(
            "Each minute of the last hour, oldest first.",
            record(
                "A minute.",
                "time count failures p50_ms p95_ms waited_ms",
                time=number("Its start, in seconds since 1970."),
                count=whole("How many there were."),
                failures=whole("How many failed."),
                p50_ms=_known_or_null("Median time from upload to result, in milliseconds."),
                p95_ms=_known_or_null("95th percentile of the same time."),
                waited_ms=_known_or_null("Mean waiting time in milliseconds."),
            ),
        ),
        workers=rows(
            "The running workers.",
            record(
                "A worker.",
                "id state model done",
                id=text("ID of the worker."),
                pid=whole("Its process ID."),
                state=text("What it is doing.", enum=["loading", "busy", "idle"]),
                in_hand=whole("Photos it has claimed."),
                model=text("The model it started with."),
                engine=text("The library that runs it."),
                plan=text("How the library runs it."),
                batch=whole("Largest size of an inference batch."),
                done=whole("Photos it has processed."),
                age_s=number("Seconds since it started."),
                phase=text("`loading`, `working` or `stopping`; empty if unknown."),
                last_beat_s=_known_or_null("Seconds since its last heartbeat; null: never."),
                recognised_s=_known_or_null(
                    "Seconds since it last recognised a picture; null: never."
                ),
                memory_bytes=_known_or_null("Its memory in bytes; null if unknown."),
            ),
        ),
        holds=rows(
            "Why photos are on hold.",
            record(
                "A reason.",
                "reason count",
                reason=text("The reason."),
                count=whole("Number of occurrences."),
            ),
        ),
    ),
}
_READY = {
    "ready": True,
    "reasons": [],
    "runningmode": "runtime",
    "warm_workers": {"image_classification": 1, "object_detection": 1},
    "recognised_s": {"image_classification": 0.4, "object_detection": 12.5},
    "disk_writable": True,
}
_NONE: dict[str, Any] = {"count": 0, "failures": 0, "p50_ms": None, "p95_ms": None}

GROUP = Group(
    "Status and health",
    "For operators, load balancers and monitoring.",
    (
        Operation(
            "GET",
            "/status.json",
            "How the server is doing",
            "Queues, workers, the last hour, reasons of failures, and the disk. Only requests from "
            "the server's own machine get process IDs, host names and paths.",
            answers=(
                Answer(
                    200,
                    "The state of the server.",
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
            "Whether the server is running",
            answers=(Answer(200, "It is running.", "Alive", {"status": "ok"}),),
        ),
        Operation(
            "GET",
            "/readyz",
            "Whether the server is ready for photos",
            "The server is ready when its disk is writable and a worker of each kind has "
            "recognised a picture within the last minute (`ready_within`). In job mode, it is "
            "ready when it starts processes for waiting photos. A disk that hangs makes it not "
            "ready, and the answer comes all the same.",
            answers=(
                Answer(200, "It is ready.", "Ready", _READY),
                Answer(
                    503,
                    "It is not ready, or not ready yet.",
                    "Ready",
                    {
                        **_READY,
                        "ready": False,
                        "reasons": [
                            "image_classification: no picture was recognised for 75 s",
                        ],
                        "recognised_s": {"image_classification": 75.2, "object_detection": 12.5},
                    },
                ),
            ),
        ),
        Operation(
            "GET",
            "/version",
            "The version of the server",
            answers=(
                Answer(
                    200,
                    "Its version.",
                    "Version",
                    {
                        "version": __version__,
                        "durability": "group",
                        "decoders": [
                            {
                                "name": "Pillow",
                                "version": "13.0.0",
                                "use": "decodes all other pictures",
                                "codecs": {"libjpeg_turbo": "3.2.0", "webp": "1.6.0"},
                            }
                        ],
                    },
                ),
            ),
        ),
        Operation(
            "GET",
            "/openapi.json",
            "This description, for programs",
            "OpenAPI 3.1, with the server address that this request used.",
            answers=(Answer(200, "The description.", {"type": "object"}, {"openapi": "3.1.0"}),),
        ),
    ),
    _SCHEMAS,
)
