"""A doorbell on a folder: it rings when files arrive or are removed. The listing stays the truth.

Watchdog's reader of inotify is used without its observer. The observer asks for both halves of a
move and holds later events back for half a second to pair them, and a claim is an unpaired half. It
also hands each event through three threads, which costs more than claiming a job. Where inotify is
missing or exhausted, there is no bell, and the callers' own sweeps still find everything.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent, InotifyFD, WatchDescriptor

log = logging.getLogger(__name__)

Events = Literal["arrivals", "removals"]


class Doorbell:
    """Calls `ring(name)` from a thread of its own for each file that arrives or is removed.

    `missed()` is called when there were more events than the kernel keeps. Both must be short and
    thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        ring: Callable[[str], None],
        events: Events = "arrivals",
        missed: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader: InotifyFD | None = None
        self._ringer = _Ringer(ring, missed)
        try:
            self._reader = _reader(folder, events, self._ringer)
        except (OSError, ImportError) as error:
            log.warning("no file events on %s (%s); looking at intervals instead", folder, error)

    @property
    def working(self) -> bool:
        """Whether file events are being received."""
        return self._reader is not None and not self.lost

    @property
    def lost(self) -> bool:
        """Whether the folder was removed: then a new bell must be made."""
        return self._ringer.lost

    def close(self) -> None:
        """Stop the thread."""
        if self._reader is not None:
            self._reader.stop()
            self._reader.join()
            self._reader = None


class _Ringer:
    """The callbacks of watchdog, which come from its thread."""

    def __init__(self, ring: Callable[[str], None], missed: Callable[[], None]) -> None:
        self._ring = ring
        self._missed = missed
        self.lost = False

    def on_event(self, event: InotifyEvent) -> None:
        if event.is_delete_self:
            self.lost = True
        elif not event.is_directory:
            self._ring(os.fsdecode(event.name))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        self.lost = True

    def on_queue_overflow(self) -> None:
        self._missed()


def _reader(folder: Path, events: Events, ringer: _Ringer) -> InotifyFD:
    """Start a thread that reads the events of one folder. Raises OSError or ImportError."""
    # Imported here because the module exists on Linux only.
    from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

    changes = InotifyConstants.IN_DELETE
    if events == "arrivals":
        changes = Mask(InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO)
    mask = Mask(changes | InotifyConstants.IN_DELETE_SELF)
    reader = InotifyFD()
    try:
        reader.add_callback(os.fsencode(folder), mask, ringer, CallbackId(id(ringer)))
        reader.start()
    except OSError:
        reader.close()
        raise
    return reader
