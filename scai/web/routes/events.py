"""Server-sent events: what becomes of many photos at once, over one connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from flask import Blueprint, jsonify, make_response, request
from flask.wrappers import Response

from scai.errors import BadRequest, ScaiError
from scai.jobs.following import Event
from scai.jobs.service import JobService
from scai.settings import Settings
from scai.storage.json_files import to_bytes

# As many sessions as one stream follows: their names and keys stand in its address.
MOST = 64
# When a browser comes back after a stream that ended without "end", in milliseconds.
_RETRY = 1000


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The route over one service."""
    events = Blueprint("events", __name__)

    @events.get("/events")
    def follow() -> Response:
        stream = service.follow(_asked())
        response = Response(_encoded(stream), mimetype="text/event-stream")
        response.call_on_close(stream.close)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
        return response

    @events.errorhandler(ScaiError)
    def refuse(error: ScaiError) -> Response:
        response = make_response(jsonify(status="error", **error.to_dict()), error.status)
        response.headers["Cache-Control"] = "no-store"
        if "retry_after" in error.details:
            response.headers["Retry-After"] = str(error.details["retry_after"])
        return response

    return events


def _asked() -> list[tuple[str, str]]:
    tasks, keys = request.args.getlist("task"), request.args.getlist("key")
    if not 1 <= len(tasks) == len(keys) <= MOST:
        raise BadRequest(
            f"expected 1 to {MOST} times task= and key=, got {len(tasks)} and {len(keys)}"
        )
    return list(zip(tasks, keys, strict=True))


def _encoded(events: Iterable[Event]) -> Iterator[bytes]:
    yield f"retry: {_RETRY}\n\n".encode()
    for event in events:
        data = json.dumps(event.data, ensure_ascii=False)
        yield to_bytes(f"event: {event.name}\ndata: {data}\n\n")
