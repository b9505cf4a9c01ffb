"""Whether photos that come now would be recognised, as /readyz says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scai.queues.base import JobQueue
from scai.settings import Settings
from scai.storage.clocks import boot_time
from scai.storage.lookout import Lookout, Run, in_a_thread

Facts = Mapping[str, Any]

# Longest wait for a look at the disk or at the workers, in seconds.
_PATIENCE = 1.0
# Age in seconds at which a look is repeated.
_PERIOD = 1.0
# Seconds by which clocks of one machine may differ: file systems keep coarser times.
_SKEW = 1.0


@dataclass
class Ready:
    """`reasons` say what is missing; there are none when all is well.

    By kind: `warm` counts the workers with a loaded model, and `recognised_s` is how many seconds
    ago a worker last recognised a picture, None if none did.
    """

    disk_writable: bool
    reasons: list[str] = field(default_factory=list)
    warm: dict[str, int] = field(default_factory=dict)
    recognised_s: dict[str, float | None] = field(default_factory=dict)


class Readiness:
    """Judges an installation. Safe between threads; a disk that hangs makes nobody wait long.

    writable: whether a small file can be written now; clock: seconds since the machine's start, as
    workers announce them; wall: epoch seconds; run: runs a look somewhere else; patience: seconds
    """

    def __init__(
        self,
        settings: Settings,
        queues: Mapping[str, JobQueue],
        writable: Callable[[], bool],
        *,
        clock: Callable[[], float] = boot_time,
        wall: Callable[[], float] = time.time,
        run: Run = in_a_thread,
        patience: float = _PATIENCE,
    ) -> None:
        self._kinds = list(queues)
        self._within = settings.ready_within
        self._in_job_mode = settings.runningmode == "job"
        self._clock, self._wall = clock, wall
        self._patience = patience
        self._disk = Lookout(writable, _PERIOD, run=run)
        self._workers = Lookout(
            lambda: {kind: queue.workers() for kind, queue in queues.items()}, _PERIOD, run=run
        )

    def read(self) -> Ready:
        """How things stand, at most a second old."""
        self._workers.look()
        disk = self._disk.wait(self._patience)
        workers = self._workers.wait(self._patience)
        ready = Ready(disk_writable=disk is not None and disk.value)
        if disk is None or workers is None:
            ready.reasons.append("the disk does not answer")
        elif not disk.value:
            ready.reasons.append("no file can be written")
        for kind in self._kinds:
            facts = [] if workers is None else workers.value[kind]
            ages = [age for each in facts if (age := self._recognised(each)) is not None]
            ready.warm[kind] = sum(1 for each in facts if each.get("warm"))
            ready.recognised_s[kind] = round(min(ages), 1) if ages else None
            if workers is not None and (reason := self._reason(facts, ages)):
                ready.reasons.append(f"{kind}: {reason}")
        return ready

    def _recognised(self, facts: Facts) -> float | None:
        """How many seconds ago that worker last recognised a picture; None for never."""
        at = facts.get("recognised")
        if isinstance(at, bool) or not isinstance(at, (int, float)):
            return None
        age = self._clock() - at
        # A time in the future is one of another machine's or an earlier start's clock.
        return max(0.0, age) if age > -_SKEW else None

    def _reason(self, facts: Sequence[Facts], ages: Sequence[float]) -> str:
        """Why a kind is not ready; "" if it is."""
        if self._in_job_mode:
            beats = [each.get("last_beat") for each in facts if each.get("runner")]
            if any(self._is_recent(beat) for beat in beats):
                return ""
            return "no processes are started for waiting photos"
        if any(age <= self._within for age in ages):
            return ""
        if ages:
            return f"no picture was recognised for {min(ages):.0f} s"
        if any(each.get("warm") for each in facts):
            return "no picture has been recognised yet"
        return "the model is still being loaded" if facts else "no worker is running"

    def _is_recent(self, beat: object) -> bool:
        return isinstance(beat, float) and -_SKEW <= self._wall() - beat <= self._within
