"""Queues: one file per way of keeping waiting jobs. `open` is the only way to get one."""

from __future__ import annotations

from pathlib import Path

from scai import plugins
from scai.queues.base import JobQueue, QueueOptions
from scai.settings import Settings
from scai.storage.disk import Disk

# The variant that installations use; "memory" is for tests.
_VARIANT = "directory"


def open(
    settings: Settings,
    kind: str,
    *,
    pool: Path | None = None,
    doorbell: bool = False,
    look_only: bool = False,
    disk: Disk | None = None,
) -> JobQueue:
    """Open the queue of one kind of recognition; the caller closes it.

    `pool` replaces the folder of the settings, `disk` their durability. `doorbell` and
    `look_only` are those of QueueOptions.
    """
    options = QueueOptions(
        settings.pool(kind) if pool is None else pool,
        sweep=settings.checktimeperiod,
        doorbell=doorbell,
        look_only=look_only,
        disk=disk or Disk(settings.durability),
        lease=settings.lease,
    )
    queue: JobQueue = plugins.load("queues", _VARIANT).open_queue(kind, options)
    return queue


def open_all(
    settings: Settings,
    *,
    doorbell: bool = False,
    look_only: bool = False,
    disk: Disk | None = None,
) -> dict[str, JobQueue]:
    """Open the queue of every kind of recognition, as `open` does."""
    return {
        kind: open(settings, kind, doorbell=doorbell, look_only=look_only, disk=disk)
        for kind in settings.kinds
    }
