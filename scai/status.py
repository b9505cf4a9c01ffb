"""How the queues stand, read from their folders: works whether or not anything runs."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from scai import plugins
from scai.queues.directory import DirectoryQueue
from scai.session import arrived
from scai.settings import Settings


@dataclass
class QueueStatus:
    """One queue: numbers of jobs, age in seconds of the oldest waiting one, living workers."""

    kind: str
    waiting: int
    running: int
    held: int
    oldest: float | None
    workers: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)


def status(settings: Settings, now: float | None = None) -> list[QueueStatus]:
    """The state of every queue of the installation."""
    moment = time.time() if now is None else now
    found = []
    for kind in plugins.names("workers"):
        if not settings.pool(kind).is_dir():
            found.append(QueueStatus(kind, 0, 0, 0, None))
            continue
        queue = DirectoryQueue(settings.pool(kind), kind, doorbell=False)
        names = sorted(queue.waiting())
        oldest = next((at for name in names if (at := arrived(name)) is not None), None)
        found.append(
            QueueStatus(
                kind,
                len(names),
                len(queue.claimed()),
                len(queue.held()),
                None if oldest is None else round(max(0.0, moment - oldest), 3),
                queue.workers(),
            )
        )
    return found
