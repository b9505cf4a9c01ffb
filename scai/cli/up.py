"""`scai up`: the whole server."""

from __future__ import annotations

import sys

import click

from scai import logs, settings
from scai.cli._errors import one_sentence

SECTION = "The server"


@click.command()
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", help="TCP port (default: 5000).")
@click.option("--runningmode", type=click.Choice(["runtime", "job"]), help="Default: runtime.")
@one_sentence
def main(host: str | None, port: str | None, runningmode: str | None) -> None:
    """Run the portal, the workers and the cleaner until Ctrl-C."""
    from scai.programs.supervisor import Supervisor

    values = settings.load({"host": host, "port": port, "runningmode": runningmode})
    logs.set_up("scai", values.loglevel, values.logformat)
    sys.exit(Supervisor(values).run(ready=click.echo))
