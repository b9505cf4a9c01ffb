"""A doorbell on a folder: somebody came or went. The listing of the folder stays the truth.

Watchdog's own emitter asks inotify for both halves of a move and holds every later event back
for half a second while it looks for the second half. Claiming a ticket is such a half move, so
our emitter asks for arrivals only (or removals only) and rings at once. Where inotify is
missing or exhausted, there is no bell, and the callers' own sweeps still find everything.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

Events = Literal["arrivals", "removals"]


class Doorbell:
    """Calls `ring(name)` from a thread of its own for each file that arrives or is removed.

    `ring` must be short and thread-safe. `working` says whether there is a bell at all, `lost`
    whether there was one until the folder was removed: then a new one must be made.
    """

    def __init__(
        self, folder: Path, ring: Callable[[str], None], events: Events = "arrivals"
    ) -> None:
        self._observer: BaseObserver | None = None
        self._ringer = _Ringer(os.fspath(folder), ring)
        try:
            observer = _observer(events)
            observer.schedule(self._ringer, os.fspath(folder), recursive=False)
            observer.start()
        except (OSError, ImportError) as error:
            log.warning("no file events on %s (%s); looking at intervals instead", folder, error)
            return
        self._observer = observer

    @property
    def working(self) -> bool:
        """Whether file events are being received."""
        return self._observer is not None and not self.lost

    @property
    def lost(self) -> bool:
        """Whether the folder that was watched is no more."""
        return self._ringer.lost

    def close(self) -> None:
        """Stop the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


class _Ringer(FileSystemEventHandler):
    def __init__(self, folder: str, ring: Callable[[str], None]) -> None:
        self._folder = folder
        self._ring = ring
        self.lost = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        path = os.fsdecode(event.src_path)
        if path == self._folder:
            self.lost = self.lost or event.event_type == "deleted"
        elif not event.is_directory:
            self._ring(os.path.basename(path))


_create = threading.Lock()


def _observer(events: Events) -> BaseObserver:
    # Imported here because the module exists on Linux only.
    from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
    from watchdog.observers.inotify_c import InotifyConstants, Mask

    wanted = InotifyConstants.IN_DELETE
    if events == "arrivals":
        wanted = Mask(InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO)
    mask = Mask(wanted | InotifyConstants.IN_DELETE_SELF)

    class Emitter(InotifyEmitter):
        def get_event_mask_from_filter(self) -> Mask:
            return mask

    with _create:
        observer = InotifyObserver()
        observer._emitter_class = Emitter
    return observer
