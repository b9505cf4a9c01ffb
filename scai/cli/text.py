"""Results and states as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scai.monitoring.queue_status import AGES, QueueStatus

_BAR = 30


def result_table(shown: Mapping[str, Any]) -> str:
    """What came of one photo: a heading and a row for each thing recognised."""
    state = shown.get("state")
    if state is None:
        return f"{shown['photo']}: accepted as {shown['task']}, key {shown['key']}"
    if state != "complete":
        return f"{shown['photo']}: {shown.get('message') or state}"
    lines = [f"{shown['photo']}  ({shown.get('model')} on {shown.get('engine')})"]
    for row in shown.get("predictions", []):
        # A box in numbers for what has a place, a bar for what has none.
        box = row.get("box")
        more = "#" * round(row["score"] * _BAR)
        if box:
            more = "[" + ", ".join(f"{value:.0f}" for value in box.values()) + "]"
        lines.append(f"  {row['label']:<28} {row['score']:>6.1%}  {more}")
    if len(lines) == 1:
        lines.append("  nothing found")
    if "saved" in shown:
        lines.append(f"  annotated picture: {shown['saved']}")
    return "\n".join(lines)


def status_table(queues: list[QueueStatus]) -> str:
    """One row a queue, the waiting jobs by age if there are any, then one row a worker."""
    lines = [f"{'queue':<24}{'waiting':>9}{'running':>9}{'on hold':>9}{'oldest':>10}"]
    for queue in queues:
        oldest = "-" if queue.oldest is None else human_age(queue.oldest)
        lines.append(
            f"{queue.kind:<24}{queue.waiting:>9}{queue.running:>9}{queue.held:>9}{oldest:>10}"
        )
    lines += _age_table([queue for queue in queues if any(queue.ages)])
    for queue in queues:
        for worker in queue.workers:
            state = "ready" if worker.get("warm") else "loading"
            model, engine = worker.get("model", "?"), worker.get("engine", "?")
            lines.append(
                f"worker {worker.get('pid', '?')}: {queue.kind}, {model} on {engine}, {state}"
                f"{_done(worker)}"
            )
    if not any(queue.workers for queue in queues):
        lines.append("no workers are running")
    return "\n".join(lines)


def _age_table(queues: list[QueueStatus]) -> list[str]:
    """How many jobs have waited how long: "5 s" is those of 2 to 5 seconds."""
    if not queues:
        return []
    heads = [f"{limit} s" for limit in AGES]
    lines = [f"{'waiting for up to':<24}" + "".join(f"{head:>8}" for head in [*heads, "longer"])]
    for queue in queues:
        lines.append(f"{queue.kind:<24}" + "".join(f"{count or '.':>8}" for count in queue.ages))
    return lines


def _done(worker: Mapping[str, Any]) -> str:
    """How many jobs a worker has finished, and in batches of what size on average."""
    sizes = {int(size): count for size, count in worker.get("batch_sizes", {}).items()}
    if not sizes:
        return ""
    mean = sum(size * count for size, count in sizes.items()) / sum(sizes.values())
    return f", {worker.get('done', 0)} done in batches of {mean:.1f}"


def human_age(seconds: float) -> str:
    """Such as 0.3 s, 12 s, 5 min, 3 h, 2 d."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def human_bytes(count: int) -> str:
    """Such as 812 B, 1.4 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
