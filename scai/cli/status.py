"""`scai status`: the queues and workers of the installation in this folder."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from scai import settings
from scai.cli._errors import one_sentence
from scai.cli.text import table
from scai.monitoring.queue_status import AGES, QueueStatus
from scai.monitoring.queue_status import status as queue_status
from scai.monitoring.units import human_age
from scai.storage.clocks import boot_time
from scai.storage.json_files import to_bytes

SECTION = "The server"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@one_sentence
def main(as_json: bool) -> None:
    """Show the queues and workers of the installation in this folder."""
    queues = queue_status(settings.load())
    if as_json:
        text = json.dumps([queue.to_dict() for queue in queues], ensure_ascii=False, indent=1)
    else:
        text = status_text(queues)
    # A foreign worker's facts may hold what no terminal can show.
    click.echo(to_bytes(text))


def status_text(queues: Sequence[QueueStatus]) -> str:
    """A row for each queue, its waiting jobs by age if it has any, then a line for each worker."""
    rows = [["queue", "waiting", "running", "on hold", "oldest"]]
    for queue in queues:
        oldest = "-" if queue.oldest is None else human_age(queue.oldest)
        rows.append([queue.kind, str(queue.waiting), str(queue.running), str(queue.held), oldest])
    lines = table(rows) + _ages([queue for queue in queues if any(queue.ages)])
    lines += [_worker(queue.kind, worker) for queue in queues for worker in queue.workers]
    if not any(queue.workers for queue in queues):
        lines.append("no workers are running")
    return "\n".join(lines)


def _ages(queues: Sequence[QueueStatus]) -> list[str]:
    """Count the waiting jobs by age; the column "5 s" counts those of 2 to 5 seconds."""
    if not queues:
        return []
    rows = [["waiting for up to", *(f"{limit} s" for limit in AGES), "longer"]]
    rows += [[queue.kind, *(str(count or ".") for count in queue.ages)] for queue in queues]
    return table(rows)


def _worker(kind: str, worker: Mapping[str, Any]) -> str:
    state = "ready" if worker.get("warm") else "loading"
    if worker.get("phase") in ("loading", "stopping"):
        state = worker["phase"]
    model, engine = worker.get("model", "?"), worker.get("engine", "?")
    line = f"worker {worker.get('pid', '?')}: {kind}, {model} on {engine}, {state}"
    line += _ago("heartbeat", worker.get("last_beat"), time.time())
    line += _ago("recognition", worker.get("recognised"), boot_time())
    counts = _counts(worker.get("batch_sizes"))
    if not counts:
        return line
    mean = sum(size * count for size, count in counts.items()) / sum(counts.values())
    return f"{line}, {worker.get('done', 0)} done in batches of {mean:.1f}"


def _ago(what: str, at: object, now: float) -> str:
    """When something last happened, for the end of a line; "" if that is not known."""
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        return ""
    return f", last {what} {human_age(max(0.0, now - at))} ago"


def _counts(sizes: object) -> dict[int, int]:
    """How often each size came, from the facts of a worker that anybody may have written."""
    pairs = sizes.items() if isinstance(sizes, dict) else ()
    return {int(size): n for size, n in pairs if size.isdecimal() and isinstance(n, int) and n > 0}
