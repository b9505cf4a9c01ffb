"""The jobs of an installation one by one, for whoever administers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai.errors import BadSession, NotFound
from scai.queues.base import JobQueue
from scai.storage import earlier
from scai.storage.session import Session, arrival_time, attempts

STANDINGS = ("waiting", "claimed", "held")
# Keys of a record that open the session or say who works on it.
_SECRET = ("key", "claim")


@dataclass(frozen=True)
class JobEntry:
    """One job: its standing is one of STANDINGS.

    age: seconds since it came; None for a foreign client's name
    owner: who claimed it
    reason: why it is on hold
    """

    name: str
    kind: str
    standing: str
    age: float | None = None
    owner: str = ""
    reason: str = ""


def entries(queue: JobQueue, standing: str, now: float) -> Iterator[JobEntry]:
    """The jobs of one standing in a queue, the oldest first; their reasons are read one by one."""
    owners = queue.claimed() if standing == "claimed" else {}
    names = {"waiting": queue.waiting, "claimed": lambda: owners, "held": queue.held_sessions}
    for name in sorted(names[standing]()):
        at = arrival_time(name)
        yield JobEntry(
            name,
            queue.kind,
            standing,
            None if at is None else round(max(0.0, now - at), 1),
            owners.get(name, ""),
            (queue.hold_reason(name) or "") if standing == "held" else "",
        )


def describe(sessions: Path, queues: Mapping[str, JobQueue], name: str) -> dict[str, Any]:
    """All that there is to say of one session, without its secrets.

    Raises NotFound when neither a session nor a queue knows that name.
    """
    session = Session(sessions, name)
    standings = [
        {"kind": kind, "standing": standing, "owner": owner, "reason": reason}
        for kind, queue in queues.items()
        for standing, owner, reason in _standings(queue, name)
    ]
    record: dict[str, Any] = {}
    problem = ""
    try:
        record = session.record()
    except (NotFound, BadSession) as error:
        problem = error.message
    if problem and not standings and not session.path.is_dir():
        raise NotFound(f"there is no session {name}")
    return {
        "name": name,
        "standings": standings,
        "problem": problem,
        "attempts": attempts(record),
        "record": {key: value for key, value in record.items() if key not in _SECRET},
        "verdict": session.verdict(record),
        "earlier": earlier.read(session.path) if session.path.is_dir() else [],
        "files": _files(session.path),
    }


def _standings(queue: JobQueue, name: str) -> Iterator[tuple[str, str, str]]:
    if queue.waits(name):
        yield "waiting", "", ""
    owner = queue.claimed().get(name)
    if owner is not None:
        yield "claimed", owner, ""
    if name in queue.held_sessions():
        yield "held", "", queue.hold_reason(name) or ""


def _files(folder: Path) -> dict[str, int]:
    """Names and bytes of the files in a session's folder."""
    if not folder.is_dir():
        return {}
    return {file.name: file.lstat().st_size for file in sorted(folder.iterdir())}
