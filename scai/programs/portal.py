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

from scai import plugins, settings
from scai.jobs import service
from scai.models import cards
from scai.processes import address_of, check_port, die_with_parent, tie_to
from scai.programs.job_runner import JobRunner
from scai.settings import Settings
from scai.web.app import create_app

log = logging.getLogger(__name__)

# What an open long-poll gets to end after SIGTERM, in seconds.
_GRACE = 2


def application() -> Flask:
    """The WSGI application by the ini file and the environment, for any WSGI server.

    Always in runtime mode, as the original under uwsgi: nobody here starts processes for jobs.
    """
    chosen = dataclasses.replace(settings.load(), runningmode="runtime")
    return create_app(service.build(chosen), chosen)


def granian_application() -> Flask:
    """The application in a process of Granian's, which must not outlive its parent."""
    # SIGKILL: a graceful end would keep the port while the restarted portal asks for it.
    tie_to(os.getppid(), signal.SIGKILL)
    chosen = settings.load()
    return create_app(service.build(chosen), chosen)


def serve(chosen: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT. Raises ConfigError when the port is taken."""
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
    check_port(chosen.host, chosen.port)
    os.environ.update(settings.as_environment(chosen))
    runner = None
    if chosen.runningmode == "job":
        for kind in plugins.names("workers"):
            # No worker is started that would say so.
            cards.load_card(chosen.models_file(kind), chosen.usedconfig, kind)
        runner = JobRunner(chosen, plugins.names("workers"))
    server = Portal(
        "scai.programs.portal:granian_application",
        address=chosen.host,
        port=chosen.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=1,
        blocking_threads=chosen.threads,
        workers_kill_timeout=_GRACE,
        websockets=False,
        # Its warnings are advice on thread counts; ours mostly sleep in long-polls.
        log_level=LogLevels.error,
        log_dictconfig={
            "disable_existing_loggers": False,
            "loggers": {"_granian": {"propagate": True}},
        },
    )
    log.info("portal at %s in %s mode", address_of(chosen.host, chosen.port), chosen.runningmode)
    server.serve()
