"""The state of the server in one document, for /status.json and the status page.

However many people look, the folders are read once a second at most, and a long queue more seldom.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from scai import __version__, queues
from scai.monitoring.findings import findings
from scai.monitoring.last_hour import LastHour, Minute, per_minute, reasons, summary
from scai.monitoring.queue_status import QueueStatus, by_age, hold_reasons, queue_status
from scai.processes import memory
from scai.queues.base import JobQueue
from scai.settings import Settings
from scai.storage.clocks import boot_time
from scai.storage.pace import Pace

# Seconds between two readings of the whole document.
_DOCUMENT_AGE = 1.0
# Seconds between two readings of the memory of processes: the kernel looks at every page of each.
_MEMORY_AGE = 10.0
# Sessions that are counted one by one where the file system does not keep their number.
_MAX_SESSIONS = 10_000
_MAX_FAILURES = 30
_SETTINGS = (
    "runningmode",
    "durability",
    "keeptimeperiod",
    "max_waiting",
    "batch",
    "max_jobs",
    "ready_within",
)


class Overview:
    """The state of the installation of these settings. Safe between threads.

    `clock` is the time of day, `ticks` measures durations and is the clock by which workers tell
    when they last recognised a picture, both in seconds; `status` reads a queue; `amounts` gives
    what waits and what bounds it.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = boot_time,
        status: Callable[[JobQueue, float], QueueStatus] = queue_status,
        amounts: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._settings = settings
        self._read_amounts = amounts
        self._clock = clock
        self._ticks = ticks
        self._began = ticks()
        self._reading = threading.Lock()
        self._document: dict[str, Any] | None = None
        self._pace = Pace(_DOCUMENT_AGE, ticks, times=0)
        self._memory = _Memory(ticks)
        self._queues = [_Queue(settings, kind, clock, ticks, status) for kind in settings.kinds]

    def read(self) -> dict[str, Any]:
        """The document of docs/api.md, at most a second old. The caller must not change it."""
        # Callers who come while another reads get the last document; the first ones wait for it.
        if self._reading.acquire(blocking=self._document is None):
            try:
                if self._pace.due:
                    with self._pace.reading():
                        self._document = self._make()
            finally:
                self._reading.release()
        assert self._document is not None
        return self._document

    def _make(self) -> dict[str, Any]:
        now = self._clock()
        states, failures, minutes = [], [], []
        for queue in self._queues:
            own = queue.hour.minutes()
            states.append(queue.to_dict(own, now, self._memory))
            minutes += own
            failures += [{"kind": queue.kind, **vars(group)} for group in reasons(own)]
        failures.sort(key=lambda group: (-group["count"], -group["last"]))
        document: dict[str, Any] = {
            "time": round(now, 3),
            "version": __version__,
            "uptime_s": round(self._ticks() - self._began, 1),
            "settings": {name: getattr(self._settings, name) for name in _SETTINGS},
            "waiting": sum(queue["waiting"] for queue in states),
            "running": sum(queue["running"] for queue in states),
            "held": sum(queue["held"] for queue in states),
            "per_minute": round(sum(queue["per_minute"] for queue in states), 1),
            "hour": summary(minutes),
            "queues": states,
            "failures": failures[:_MAX_FAILURES],
            "portal": {"pid": os.getpid(), "memory_bytes": self._memory.of(os.getpid())},
            "disk": _disk(self._settings),
            "amounts": self._amounts(),
        }
        news = findings(document)
        level = news[0]["level"] if news else "good"
        return {"level": level, "findings": news, **document}

    def _amounts(self) -> Mapping[str, Any]:
        try:
            return self._read_amounts()
        except OSError:
            return {}  # a folder is out of order; the portal's log says so at each upload


class _Queue:
    """One queue: its last hour, and its state, which is read more seldom the longer that takes."""

    def __init__(
        self,
        settings: Settings,
        kind: str,
        clock: Callable[[], float],
        ticks: Callable[[], float],
        status: Callable[[JobQueue, float], QueueStatus],
    ) -> None:
        self.kind = kind
        self._ticks = ticks
        self._read_status = status
        self.hour = LastHour(settings.pool(kind), clock)
        self._pace = Pace(0.0, ticks)
        # Looking makes no folders: where there is none, nothing waits.
        self._queue = queues.open(settings, kind, look_only=True)
        self._state = QueueStatus(kind)

    def _status(self, now: float) -> QueueStatus:
        if self._pace.due:
            with self._pace.reading():
                try:
                    self._state = self._read_status(self._queue, now)
                except OSError:
                    pass  # the folder is out of order; the portal's log says so at each upload
        return self._state

    def to_dict(self, minutes: list[Minute], now: float, memory: _Memory) -> dict[str, Any]:
        """The queue's part of the document."""
        state = self._status(now)
        busy = Counter(self._queue.claimed().values()) if state.workers else Counter()
        last = [minute for minute in minutes if minute.count]
        return {
            "kind": self.kind,
            "waiting": state.waiting,
            "running": state.running,
            "held": state.held,
            "oldest_s": state.oldest,
            "ages": by_age(state.ages),
            "per_minute": per_minute(minutes, now),
            "last_verdict": last[-1].start if last else None,
            "hour": summary(minutes),
            "minutes": [minute.to_dict() for minute in minutes],
            "workers": [
                _worker(facts, busy[str(facts.get("id"))], now, self._ticks(), memory)
                for facts in state.workers
                if "kind" in facts
            ],
            "holds": [vars(each) for each in hold_reasons(self._queue)] if state.held else [],
        }


class _Memory:
    """The memory of processes, read now and then."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._pace = Pace(_MEMORY_AGE, ticks, times=0)
        self._bytes: dict[int, int | None] = {}

    def of(self, pid: int) -> int | None:
        """Bytes in use by a process; None when that cannot be read."""
        if self._pace.due:
            with self._pace.reading():
                self._bytes.clear()
        if pid not in self._bytes:
            self._bytes[pid] = memory(pid)
        return self._bytes[pid]


def _worker(
    facts: Mapping[str, Any], in_hand: int, now: float, ticks: float, memory: _Memory
) -> dict[str, Any]:
    """The facts that a living worker announced, in safe types, and what the portal sees of it."""
    identity, pid = str(facts.get("id", "")), _number(facts, "pid")
    here = identity.startswith(f"{socket.gethostname().split('.')[0]}-{pid}-")
    state = "loading" if not facts.get("warm") else "busy" if in_hand else "idle"
    return {
        "id": identity,
        "pid": pid,
        "state": state,
        "in_hand": in_hand,
        "model": str(facts.get("model", "")),
        "engine": str(facts.get("engine", "")),
        "plan": str(facts.get("plan", "")),
        "batch": _number(facts, "batch"),
        "done": _number(facts, "done"),
        "batch_sizes": _counts(facts.get("batch_sizes")),
        "batches_closed": _counts(facts.get("batches_closed")),
        "unrecorded": _number(facts, "unrecorded"),
        "disk_errors": _number(facts, "disk_errors"),
        "helpers_died": _number(facts, "helpers_died"),
        "age_s": round(max(0.0, now - _number(facts, "started")), 1),
        "phase": str(facts.get("phase", "")),
        "last_beat_s": _age(facts.get("last_beat"), now),
        "recognised_s": _age(facts.get("recognised"), ticks),
        "memory_bytes": memory.of(pid) if here and pid else None,
    }


def _age(at: object, now: float) -> float | None:
    """Seconds from a time until now, by the same clock; None for anything that is no time."""
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        return None
    return round(max(0.0, now - at), 1)


def _number(facts: Mapping[str, Any], name: str) -> int:
    value = facts.get(name)
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {str(name)[:20]: _number(value, name) for name in islice(value, 256)}


def _disk(settings: Settings) -> dict[str, Any] | None:
    """Room on the disk of the sessions, and their number; None when that cannot be read."""
    folder = settings.sessionpath
    try:
        space = os.statvfs(folder)
        # A directory has a link for each one in it, on most file systems.
        links = os.stat(folder).st_nlink
        sessions = links - 2
        if links < 3:
            with os.scandir(folder) as entries:
                sessions = sum(1 for _ in islice(entries, _MAX_SESSIONS))
    except OSError:
        return None
    return {
        "free_bytes": space.f_bavail * space.f_frsize,
        "total_bytes": space.f_blocks * space.f_frsize,
        "sessions": sessions,
        "sessions_capped": links < 3 and sessions >= _MAX_SESSIONS,
    }
