"""The command line of index.py: the portal alone."""

from __future__ import annotations

import click

from scai import logs, settings
from scai.cli._errors import one_sentence


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", help="TCP port (default: 5000).")
@click.option("--runningmode", type=click.Choice(["runtime", "job"]), help="Default: runtime.")
@click.option("--icpoolpath", help="Queue folder of image classification.")
@click.option("--odpoolpath", help="Queue folder of object detection.")
@one_sentence
def main(**flags: str | None) -> None:
    """Run the portal alone: pages and API. Start workers separately, except in job mode."""
    from scai.programs.portal import serve

    values = settings.load(flags)
    logs.set_up("portal", values.loglevel, values.logformat)
    serve(values)
