"""The portal as a process: the application behind a production WSGI server.

Granian accepts connections in native code and hands each request to one of `threads` Python
threads, so a long-poll costs a sleeping thread and nothing else. In job mode the processes of
the sessions are started from here too.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import threading
from typing import Any

from flask import Flask

from scai.jobs import service
from scai.models import cards
from scai.processes import address_of, check_port, die_with_parent, tie_to
from scai.programs.job_runner import JobRunner
from scai.settings import Settings, as_environment, load
from scai.web.app import create_app
from scai.web.visitors import is_loopback

log = logging.getLogger(__name__)

# Seconds that an open long-poll gets to end after SIGTERM.
_GRACE = 2


def application() -> Flask:
    """The WSGI application for any WSGI server, set up by the ini file and the environment.

    It always runs in runtime mode, like the original under uwsgi: nothing here starts processes.
    """
    settings = dataclasses.replace(load(), runningmode="runtime")
    return create_app(service.build(settings), settings)


def granian_application() -> Flask:
    """The application in a child process of Granian's, which must not outlive its parent."""
    # SIGKILL: a graceful end would keep the port while the restarted portal asks for it.
    tie_to(os.getppid(), signal.SIGKILL)
    settings = load()
    return create_app(service.build(settings), settings)


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT. Raises ConfigError when the port is in use."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    class Portal(Server):  # type: ignore[misc, valid-type]
        """Starts the job runner after the processes are forked: threads do not survive a fork."""

        def startup(self, *args: Any, **kwargs: Any) -> None:
            super().startup(*args, **kwargs)
            if runner is not None:
                threading.Thread(target=runner.run, name="job-runner").start()
                self.on_shutdown(runner.stop)

    die_with_parent()
    check_port(settings.host, settings.port)
    os.environ.update(as_environment(settings))
    runner = _job_runner(settings) if settings.runningmode == "job" else None
    server = Portal(
        "scai.programs.portal:granian_application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=1,
        blocking_threads=settings.threads,
        workers_kill_timeout=_GRACE,
        websockets=False,
        # Its warnings are advice on thread counts; ours mostly sleep in long-polls.
        log_level=LogLevels.error,
        log_dictconfig={
            "disable_existing_loggers": False,
            "loggers": {"_granian": {"propagate": True}},
        },
    )
    log.info(
        "portal at %s in %s mode", address_of(settings.host, settings.port), settings.runningmode
    )
    say_who_may_come(settings)
    server.serve()


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
