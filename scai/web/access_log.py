"""One line of the log for each request: who asked for what, and how it went.

Addresses go without their query, which has the keys of photos in it.
"""

from __future__ import annotations

import logging
import time
from functools import partial

from flask import Flask, g, request
from flask.wrappers import Response

from scai.jobs.deferral import KEY, Deferral

log = logging.getLogger(__name__)

_MAX_PATH, _MAX_CLAIM = 200, 100  # characters
# What monitors and browsers ask for all the time is logged at the level DEBUG.
_FREQUENT = ("/healthz", "/readyz", "/static/")


def log_requests(app: Flask) -> None:
    """Log every request to `app`; call this before anything else is done with requests."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        ms = (time.perf_counter() - g.get("began", time.perf_counter())) * 1000
        path = request.path[:_MAX_PATH]
        level = logging.DEBUG if path.startswith(_FREQUENT) else logging.INFO
        line = "%s %s %d in %d ms from %s"
        status, client = response.status_code, _client()
        write = partial(log.log, level, line, request.method[:20], path, status, ms, client)
        deferral: Deferral | None = request.environ.get(KEY)
        if deferral is not None and deferral.pause is not None:
            deferral.told = write  # this answer is for nobody: the request waits
        else:
            write()
        return response


def _client() -> str:
    """The address of the client; behind a proxy, also the one that the proxy claims."""
    claim = request.environ.get("HTTP_X_FORWARDED_FOR", "")[:_MAX_CLAIM]
    return f"{request.remote_addr} for {claim}" if claim else str(request.remote_addr)
