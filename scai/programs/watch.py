"""Whether a child of the supervisor still works, as seen from outside.

A process that hangs, or that somebody has stopped, does not die by itself. A worker gives a sign
of life by its heartbeats, the portal by answering `/healthz`. Both are asked for in other threads:
a disk or a portal that hangs must not stop the supervisor.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scai.storage.lookout import Answer, Lookout

# Seconds for which a silence counts at most between two looks: a watcher that was stopped itself,
# perhaps together with all others, blames nobody.
_LONGEST_STEP = 10.0


@dataclass
class _Silence:
    """The last sign of life of a process, and how many seconds ago it was seen first."""

    sign: object
    seconds: float = 0.0


class Silences:
    """How long each process has given no new sign of life, by looks from time to time."""

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._silences: dict[int, _Silence] = {}

    def look(self, signs: Mapping[int, object], now: float) -> None:
        """Note the last sign of each process, by its pid, at the time `now` of a steady clock.

        A sign that differs from the last one is a new one. A look older than the last one, or the
        same one again, changes nothing.
        """
        before = now if self._looked_at is None else self._looked_at
        if now < before or now == self._looked_at:
            return
        self._looked_at = now
        step = min(now - before, _LONGEST_STEP)
        old, self._silences = self._silences, {}
        for pid, sign in signs.items():
            silence = old.get(pid)
            if silence is None or silence.sign != sign:
                self._silences[pid] = _Silence(sign)
            else:
                self._silences[pid] = _Silence(sign, silence.seconds + step)

    def seconds(self, pid: int) -> float:
        """Seconds since the last new sign of that process; 0 for one that was not looked at."""
        silence = self._silences.get(pid)
        return 0.0 if silence is None else silence.seconds


class WorkerWatch:
    """Judges workers by their heartbeats.

    workers: the looks at the facts of all living workers; timeout: seconds of silence after which a
    worker hangs; start_timeout: the same for one that has not sent its first heartbeat
    """

    def __init__(
        self, workers: Lookout[list[dict[str, Any]]], timeout: float, start_timeout: float
    ) -> None:
        self._workers = workers
        self._timeout = timeout
        self._start_timeout = start_timeout
        self._silences = Silences()
        self._beats: dict[int, float] = {}

    def look(self, pids: Iterable[int]) -> None:
        """Look at the processes with these pids; never waits."""
        answer = self._workers.look()
        if answer is not None:
            self._beats = last_beats(answer.value)
            self._silences.look({pid: self._beats.get(pid) for pid in pids}, answer.asked_at)

    def complaint(self, pid: int) -> str:
        """Why the worker with that pid counts as hanging; "" if it does not."""
        silence = self._silences.seconds(pid)
        if pid in self._beats:
            if silence > self._timeout:
                return f"has sent no heartbeat for {silence:.0f} s (worker_timeout)"
        elif silence > self._start_timeout:
            return f"has not begun to work within {silence:.0f} s (load_timeout)"
        return ""


def last_beats(workers: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """The time of the last heartbeat by pid, of those workers that ever sent one."""
    beats: dict[int, float] = {}
    for worker in workers:
        pid, beat = worker.get("pid"), worker.get("last_beat")
        if isinstance(pid, int) and isinstance(beat, float):
            beats[pid] = max(beat, beats.get(pid, beat))
    return beats


class PortalWatch:
    """Judges the portal by its answers; `answers` are the looks, `timeout` seconds without one."""

    def __init__(self, answers: Lookout[bool], timeout: float) -> None:
        self._answers = answers
        self._timeout = timeout
        self._silences = Silences()
        self._last: Answer[bool] | None = None
        self._count = 0

    def look(self, pid: int) -> Answer[bool] | None:
        """Look at the portal with that pid; the last answer. Never waits."""
        answer = self._answers.look()
        if answer is not None and answer is not self._last:
            self._last = answer
            # Every good answer is a new sign.
            self._count += answer.value
            self._silences.look({pid: self._count}, answer.asked_at)
        return answer

    def complaint(self, pid: int) -> str:
        """Why the portal with that pid counts as hanging; "" if it does not."""
        silence = self._silences.seconds(pid)
        if silence > self._timeout:
            return f"has not answered for {silence:.0f} s (portal_timeout)"
        return ""


def answers(host: str, port: int, timeout: float) -> Callable[[], bool]:
    """The question whether the portal at that address answers `/healthz` within `timeout` s."""

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask
