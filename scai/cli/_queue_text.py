"""What `scai queue` prints for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scai.cli.text import table
from scai.jobs.check.finding import Finding
from scai.jobs.listing import JobEntry
from scai.monitoring.queue_status import AGES, count_ages
from scai.monitoring.units import human_age, human_bytes
from scai.queues.base import JobQueue

# Characters of a reason in a list.
_MAX_REASON = 100


def ages_table(queues: Iterable[JobQueue], standings: Iterable[str], now: float) -> list[str]:
    """Count the jobs of each standing by age; the column "5 s" counts those of 2 to 5 seconds."""
    rows = []
    for queue in queues:
        names = {"waiting": queue.waiting, "claimed": queue.claimed, "held": queue.held_sessions}
        for standing in standings:
            number, _, ages = count_ages(names[standing](), now)
            if number:
                cells = [str(count or ".") for count in ages]
                rows.append([f"{queue.kind}, {standing}", str(number), *cells])
    if not rows:
        return []
    return [*table([["age up to", "all", *(f"{age} s" for age in AGES), "longer"], *rows]), ""]


def entries_table(entries: Iterable[JobEntry]) -> list[str]:
    """A line for each job."""
    rows = []
    for entry in entries:
        age = "?" if entry.age is None else human_age(entry.age)
        note = _line(entry.reason)[:_MAX_REASON] or (f"by {entry.owner}" if entry.owner else "")
        rows.append([entry.name, entry.kind, entry.standing, age, note])
    return table(rows, right=()) if rows else []


def session_text(found: Mapping[str, Any]) -> str:
    """What `listing.describe` tells of a session, in lines."""
    rows = [["name", found["name"]]]
    for standing in found["standings"]:
        note = standing["owner"] and f" by {standing['owner']}"
        note += standing["reason"] and f": {_line(standing['reason'])}"
        rows.append(["standing", f"{standing['standing']} in {standing['kind']}{note}"])
    if not found["standings"]:
        rows.append(["standing", "in no queue"])
    if found["problem"]:
        rows.append(["problem", found["problem"]])
    rows += [[str(key), _line(str(value))] for key, value in found["record"].items()]
    rows += [["verdict", _verdict(found["verdict"])]] if found["verdict"] else []
    for number, verdict in enumerate(found["earlier"], start=1):
        rows.append([f"verdict {number}", _verdict(verdict)])
    rows += [["file", f"{name}, {human_bytes(size)}"] for name, size in found["files"].items()]
    return "\n".join(table(rows, right=()))


def finding_line(finding: Finding, problem: str | None) -> str:
    """A finding, and what became of its repair: "" is done, None that nobody tried."""
    kind = f" ({finding.kind})" if finding.kind else ""
    end = {None: "", "": "; repaired"}.get(problem, f"; not repaired: {problem}")
    return f"{_line(finding.subject)} {_line(finding.about)}{kind}{end}"


def _verdict(verdict: Mapping[str, Any]) -> str:
    if not verdict:
        return "cannot be read"
    state, code = str(verdict.get("state", "")), str(verdict.get("code", ""))
    predictions = verdict.get("predictions")
    count = len(predictions) if isinstance(predictions, Sequence) else 0
    return _line(f"{state}, {code}: {verdict.get('error')}" if code else f"{state}, {count} found")


def _line(text: str) -> str:
    """The text as one line of a terminal, whatever its writer put into it."""
    return "".join(char if char.isprintable() else "?" for char in text)
