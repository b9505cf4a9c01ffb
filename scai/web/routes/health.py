"""Health checks: whether the server runs, whether it is ready for uploads, and its version."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from scai import __version__
from scai.jobs.decoders import DecoderInventory
from scai.jobs.service import JobService
from scai.settings import Settings


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The health routes over one service."""
    blueprint = Blueprint("health", __name__)
    decoders = DecoderInventory()

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        ready = service.readiness.read()
        answer = {
            "ready": not ready.reasons,
            "reasons": ready.reasons,
            "runningmode": settings.runningmode,
            "warm_workers": ready.warm,
            "recognised_s": ready.recognised_s,
            "disk_writable": ready.disk_writable,
        }
        return jsonify(answer), 503 if ready.reasons else 200

    @blueprint.get("/version")
    def version() -> Response:
        return jsonify(
            version=__version__, durability=settings.durability, decoders=decoders.read()
        )

    return blueprint
