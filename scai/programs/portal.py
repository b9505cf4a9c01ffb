"""The portal as a process: the application behind its front.

The front reads requests, and spends one of `threads` Python threads on each that is whole; a
long-poll costs none while it waits. In job mode the processes of the sessions are started from
here too.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import socket
import threading

from flask import Flask

from scai.errors import ScaiError
from scai.jobs import service
from scai.models import cards
from scai.processes import address_of, check_port, die_with_parent
from scai.programs.front.front import Front
from scai.programs.front.limits import limits_of, raise_descriptor_limit
from scai.programs.front.request import Request
from scai.programs.job_runner import JobRunner
from scai.settings import Settings, load
from scai.storage.start_check import check_folders
from scai.web.app import create_app
from scai.web.gate import Gate
from scai.web.visitors import is_loopback

log = logging.getLogger(__name__)

# Connections that the kernel accepts before we do.
_BACKLOG = 1024


def application() -> Flask:
    """The WSGI application for any WSGI server, set up by the ini file and the environment.

    It always runs in runtime mode, like the original under uwsgi: nothing here starts processes.
    """
    settings = dataclasses.replace(load(), runningmode="runtime")
    check_folders(settings.sessionpath, settings.pools)
    return create_app(service.build(settings), settings)


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT. Raises ConfigError when the port is in use."""
    die_with_parent()
    check_port(settings.host, settings.port)
    check_folders(settings.sessionpath, settings.pools)
    descriptors = raise_descriptor_limit()
    front = build_front(settings, service.build(settings), descriptors)
    runner = _job_runner(settings) if settings.runningmode == "job" else None
    with listening(settings.host, settings.port) as listener:
        if runner is not None:
            threading.Thread(target=runner.run, name="job-runner").start()
        try:
            asyncio.run(_serve(front, listener, settings))
        finally:
            if runner is not None:
                runner.stop()


async def _serve(front: Front, listener: socket.socket, settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info(
        "portal at %s in %s mode", address_of(settings.host, settings.port), settings.runningmode
    )
    say_who_may_come(settings)
    await front.run([listener], stop)


def build_front(settings: Settings, jobs: service.JobService, descriptors: int) -> Front:
    """The front of the application over `jobs`, for a process with so many descriptors."""
    gate = Gate(settings, jobs)

    def admit(request: Request, length: int) -> tuple[int, ScaiError]:
        content_type = request.header(b"content-type").decode("latin-1")
        return gate.admit(request.path, content_type, length, request.client[0])

    return Front(
        create_app(jobs, settings),
        threads=settings.threads,
        folder=settings.sessionpath,
        admit=admit,
        limits=limits_of(settings, descriptors),
        instant=("/healthz",),
        reserved=("/healthz", "/readyz"),
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def say_who_may_come(settings: Settings) -> None:
    """Warn in the log of a portal that others than this machine can reach."""
    if not is_loopback(settings.host):
        log.warning(
            "listening on %s: everybody who reaches this machine may send photos and see models "
            "and figures; host = 127.0.0.1 keeps it to this machine (docs/security.md)",
            settings.host,
        )


def _job_runner(settings: Settings) -> JobRunner:
    """The runner of job mode. Raises ConfigError for a model that cannot be used."""
    for kind in settings.kinds:
        # In job mode there is no resident worker that would report it.
        cards.load_card(settings.models_file(kind), settings.usedconfig, kind)
    return JobRunner(settings, list(settings.kinds))
