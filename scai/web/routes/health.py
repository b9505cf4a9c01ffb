"""Health checks: whether the server runs, whether it is ready for uploads, and its version."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from scai import __version__
from scai.jobs.service import JobService
from scai.settings import Settings


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The health routes over one service."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        writable = service.writable()
        ready = writable and service.staffed()
        warm = {
            kind: sum(1 for worker in workers if worker.get("warm"))
            for kind, workers in service.workers().items()
        }
        answer = {
            "ready": ready,
            "runningmode": settings.runningmode,
            "warm_workers": warm,
            "disk_writable": writable,
        }
        return jsonify(answer), 200 if ready else 503

    @blueprint.get("/version")
    def version() -> Response:
        return jsonify(version=__version__, durability=settings.durability)

    return blueprint
