"""How the queues stand, read from their folders: works whether or not anything runs."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from scai.queues.directory import HOLD, DirectoryQueue
from scai.settings import Settings
from scai.storage.session import NAME, arrived

# Waiting jobs are counted by age, in seconds: up to each of these, and above the last.
AGES = (1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
# Reasons of held jobs that are read, and their longest.
_MOST_HELD = 200
_LONGEST_REASON = 300


@dataclass
class QueueStatus:
    """One queue: numbers of jobs, age in seconds of the oldest waiting one, living workers.

    `ages` counts the waiting jobs by age, a number for each of AGES and one for all above; jobs of
    foreign clients whose names do not tell when they came are in `waiting` only.
    """

    kind: str
    waiting: int = 0
    running: int = 0
    held: int = 0
    oldest: float | None = None
    ages: list[int] = field(default_factory=lambda: [0] * (len(AGES) + 1))
    workers: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {**asdict(self), "ages": by_age(self.ages)}


def by_age(ages: Iterable[int]) -> list[dict[str, int | None]]:
    """The counts with their limits: jobs of at most `up_to` seconds; None: of any age above."""
    return [
        {"up_to": limit, "count": count} for limit, count in zip((*AGES, None), ages, strict=True)
    ]


def status(settings: Settings, now: float | None = None) -> list[QueueStatus]:
    """The state of every queue of the installation."""
    found = []
    for kind in settings.kinds:
        if not settings.pool(kind).is_dir():
            found.append(QueueStatus(kind))
            continue
        queue = DirectoryQueue(settings.pool(kind), kind, doorbell=False)
        found.append(queue_status(queue, now))
    return found


def queue_status(queue: DirectoryQueue, now: float | None = None) -> QueueStatus:
    """The state of one queue; a large one takes a while: 0.3 s for 100,000 waiting jobs."""
    moment = time.time() if now is None else now
    waiting, oldest, ages = 0, None, [0] * (len(AGES) + 1)
    for name in queue.waiting():
        waiting += 1
        at = arrived(name)
        if at is not None:
            age = max(0.0, moment - at)
            oldest = age if oldest is None else max(oldest, age)
            ages[bisect_left(AGES, age)] += 1
    return QueueStatus(
        queue.kind,
        waiting,
        len(queue.claimed()),
        len(held_names(queue.pool)),
        None if oldest is None else round(oldest, 3),
        ages,
        queue.workers(),
    )


def held_names(pool: Path) -> list[str]:
    """The sessions that are on hold, in no order."""
    try:
        return [name for name in os.listdir(pool / HOLD) if NAME.fullmatch(name)]
    except OSError:
        return []


def held_reasons(pool: Path) -> list[dict[str, Any]]:
    """Why jobs are on hold: each reason with its count, the most frequent first.

    Of a great many jobs, the rest is counted under the reason "".
    """
    names = held_names(pool)
    counts: dict[str, int] = {}
    for name in islice(names, _MOST_HELD):
        try:
            reason = _beginning(pool / HOLD / name)
        except OSError:
            continue  # released meanwhile
        counts[reason] = counts.get(reason, 0) + 1
    if len(names) > _MOST_HELD:
        counts[""] = counts.get("", 0) + len(names) - _MOST_HELD
    return [
        {"reason": reason, "count": count}
        for reason, count in sorted(counts.items(), key=lambda pair: -pair[1])
    ]


def _beginning(file: Path) -> str:
    """The first words of a text; not waiting for anybody, should the file be a pipe."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST_REASON).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)
