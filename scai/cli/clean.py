"""The command line of clean.py: remove old sessions once."""

from __future__ import annotations

import click

from scai import logs, queues, settings
from scai.cli._errors import one_sentence
from scai.errors import ScaiError
from scai.jobs.amounts import CLEAN_FLOORS, Amounts
from scai.jobs.retention import purge
from scai.jobs.trimming import Bounds
from scai.monitoring.units import human_age, human_bytes
from scai.storage import ages


@click.command()
@click.option("--sessionpath", help="Folder of the sessions (default: ./session).")
@click.option(
    "--keeptimeperiod",
    "--keeptimeperoid",
    help="Age at which a session is removed: seconds, or 12h, 2d (default: 172800).",
)
@click.option("--dry-run", is_flag=True, help="List what would be removed; remove nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing when there is nothing to remove.")
@one_sentence
def main(sessionpath: str | None, keeptimeperiod: str | None, dry_run: bool, quiet: bool) -> None:
    """Remove old sessions once. Sessions that wait or run always stay."""
    values = settings.load({"sessionpath": sessionpath, "keeptimeperiod": keeptimeperiod})
    logs.set_up("cleaner", values.loglevel, values.logformat)
    root = values.sessionpath
    if not root.is_dir():
        raise ScaiError(f"{root}: no such folder; name it with --sessionpath")
    # Looking makes no folders: on a full disk that would fail.
    all_queues = queues.open_all(values, look_only=True)
    amounts = Amounts(values, all_queues)
    bounds = Bounds(
        values.keep_sessions,
        values.keep_mb * 1_000_000,
        values.keep_least,
        shortage=lambda: amounts.shortage(CLEAN_FLOORS),
    )
    outcome = purge(
        root,
        all_queues.values(),
        values.keeptimeperiod,
        bounds=bounds,
        ages=ages.read(root, keep=not dry_run),
        dry_run=dry_run,
    )
    if outcome.removed or not quiet:
        for name in outcome.removed:
            click.echo(f"{'would remove' if dry_run else 'removed'} {name}")
        click.echo(
            f"{len(outcome.removed) - outcome.early} sessions older than "
            f"{human_age(values.keeptimeperiod)} "
            f"{'would be ' if dry_run else ''}removed, {human_bytes(outcome.freed)} freed, "
            f"{outcome.alive} kept because they wait or run"
        )
        if outcome.early:
            would_be = "would be " if dry_run else ""
            click.echo(f"{outcome.early} younger ones {would_be}removed for lack of room")
