"""Server-sent events: the progress of many photos over one connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import cast

from flask import Blueprint, request
from flask.wrappers import Response

from scai.errors import BadRequest, ScaiError
from scai.jobs.deferral import KEY
from scai.jobs.following import Event
from scai.jobs.service import JobService
from scai.jobs.waiters import Pause
from scai.settings import Settings
from scai.storage.json_files import to_bytes
from scai.web import answers

# The most tasks that one stream follows: they stand in its address with their keys.
MAX_TASKS = 64
# Milliseconds after which a browser connects again when a stream ended without "end".
_RETRY = 1000


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The route over one service."""
    events = Blueprint("events", __name__)

    @events.get("/events")
    def follow() -> Response:
        stream = service.follow(_tasks_and_keys(), pauses=KEY in request.environ)
        # A server that defers requests waits for the pauses; no other gets any.
        pieces = cast(Iterator[bytes], _encode(stream))
        response = Response(pieces, mimetype="text/event-stream")
        response.call_on_close(stream.close)
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
        return answers.no_store(response)

    @events.errorhandler(ScaiError)
    def refuse(error: ScaiError) -> Response:
        return answers.send(answers.problem(error), error.status)

    return events


def _tasks_and_keys() -> list[tuple[str, str]]:
    tasks, keys = request.args.getlist("task"), request.args.getlist("key")
    if not 1 <= len(tasks) == len(keys) <= MAX_TASKS:
        raise BadRequest(
            f"expected 1 to {MAX_TASKS} times task= and key=, got {len(tasks)} and {len(keys)}"
        )
    return list(zip(tasks, keys, strict=True))


def _encode(events: Iterable[Event | Pause]) -> Iterator[bytes | Pause]:
    yield f"retry: {_RETRY}\n\n".encode()
    for event in events:
        if isinstance(event, Pause):
            yield event
            continue
        data = json.dumps(event.data, ensure_ascii=False)
        yield to_bytes(f"event: {event.name}\ndata: {data}\n\n")
