"""`scai queue`: single jobs, by hand; a check of everything, and its repair."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import click

from scai import queues, settings
from scai.cli._errors import one_sentence
from scai.cli._queue_text import ages_table, entries_table, finding_line, session_text
from scai.jobs import listing
from scai.jobs.check.run import check as check_all
from scai.jobs.check.run import repair as repair_one
from scai.jobs.holds import Holds
from scai.queues.base import JobQueue
from scai.settings import Settings
from scai.storage.disk import Disk
from scai.storage.json_files import to_bytes

SECTION = "The server"


@click.group()
def main() -> None:
    """Look at single jobs; hold, release, drop and repair them.

    Works whether or not the server runs. NAME is the name of a session, d-…
    """


@main.command()
@click.option("--kind", help="One kind of recognition only.")
@click.option("--standing", type=click.Choice(listing.STANDINGS), help="One standing only.")
@click.option("--limit", default=20, show_default=True, help="Most jobs listed of each standing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@one_sentence
def ls(kind: str | None, standing: str | None, limit: int, as_json: bool) -> None:
    """List the jobs that wait, are claimed or held, with their ages."""
    now = time.time()
    with _opened(look_only=True) as (_, opened):
        own = [queue for name, queue in opened.items() if kind in (None, name)]
        standings = [standing] if standing else listing.STANDINGS
        found = [
            entry
            for queue in own
            for each in standings
            for entry in islice(listing.entries(queue, each, now), limit)
        ]
        if as_json:
            _print(json.dumps([vars(entry) for entry in found], ensure_ascii=False, indent=1))
        else:
            lines = [*ages_table(own, standings, now), *entries_table(found)]
            _print("\n".join(lines) or "no jobs")


@main.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@one_sentence
def show(name: str, as_json: bool) -> None:
    """Show one session: its record without secrets, where its job is, its verdicts."""
    with _opened(look_only=True) as (values, opened):
        found = listing.describe(values.sessionpath, opened, name)
        text = json.dumps(found, ensure_ascii=False, indent=1) if as_json else session_text(found)
        _print(text)


@main.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for whoever looks at it later.")
@one_sentence
def hold(names: tuple[str, ...], reason: str) -> None:
    """Set waiting jobs aside."""
    _for_each(names, lambda holds, name: holds.hold(name, reason), "held")


@main.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@one_sentence
def release(names: tuple[str, ...]) -> None:
    """Let held jobs wait again for a new run; a failed verdict is kept beside."""
    _for_each(names, lambda holds, name: holds.release(name), "released")


@main.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@one_sentence
def drop(names: tuple[str, ...]) -> None:
    """Remove held or waiting jobs with their sessions, for good."""
    _for_each(names, lambda holds, name: holds.drop(name), "dropped")


@main.command()
@click.option("--repair", is_flag=True, help="Repair what is found.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each finding.")
@one_sentence
def check(repair: bool, as_json: bool) -> None:
    """Find what is wrong with sessions and queues.

    The exit status is 1 when something was found, or with --repair when something is left.
    """
    found = left = 0
    with _opened(look_only=not repair) as (values, opened):
        disk = Disk(values.durability)
        for finding in check_all(values.sessionpath, opened, disk=disk):
            found += 1
            problem = repair_one(finding) if repair else None
            left += problem != ""
            if as_json:
                more = {} if problem is None else {"repaired": not problem, "problem": problem}
                _print(json.dumps({**finding.to_dict(), **more}, ensure_ascii=False))
            else:
                _print(finding_line(finding, problem))
    if not as_json:
        done = f", {found - left} repaired" if repair else ""
        _print(f"{found} found{done}" if found else "nothing is wrong")
    if left:
        sys.exit(1)


@contextmanager
def _opened(*, look_only: bool) -> Iterator[tuple[Settings, dict[str, JobQueue]]]:
    """The settings and the queues of the installation in this folder."""
    values = settings.load()
    disk = Disk(values.durability)
    with ExitStack() as stack:
        opened = {}
        for kind in values.kinds:
            queue = queues.open(values, kind, look_only=look_only, disk=disk)
            stack.callback(queue.close)
            opened[kind] = queue
        yield values, opened


def _for_each(names: tuple[str, ...], act: Callable[[Holds, str], Any], done: str) -> None:
    with _opened(look_only=False) as (values, opened):
        holds = Holds(values.sessionpath, opened, disk=Disk(values.durability))
        for name in names:
            act(holds, name)
            _print(f"{done} {name}")


def _print(text: str) -> None:
    # A foreign client's names and reasons may hold what no terminal can show.
    click.echo(to_bytes(text))
