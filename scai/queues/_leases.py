"""How long owners of claims have been silent, as one watcher sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class _Silence:
    """The heartbeat that was seen last beside a claim, and for how many seconds it was the last."""

    beat: float
    seconds: float = 0.0


class LeaseWatch:
    """Tells which claims have lapsed: those whose owners were silent for `lease` seconds.

    A claim counts from the first look at it, or from the last change of its owner's heartbeat. The
    time between looks is taken from `clock`, which never steps, and heartbeats are only compared
    with each other. So a step of the system's clock neither ends a lease nor prolongs one. Of the
    time between two looks, a quarter of the lease counts at most: a watcher that was stopped
    itself, perhaps with all others, blames nobody.
    """

    def __init__(self, lease: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.lease = lease
        self._clock = clock
        self._looked_at = clock()
        self._silences: dict[str, _Silence] = {}

    def lapsed(self, beats: Mapping[str, float | None]) -> list[str]:
        """The tokens of the claims that have lapsed.

        beats: all claims of others by token, each with its owner's last heartbeat; None for an
            owner that never beat, which has no lease
        """
        now = self._clock()
        passed = min(now - self._looked_at, self.lease / 4)
        self._looked_at = now
        before, self._silences = self._silences, {}
        for token, beat in beats.items():
            if beat is None:
                continue
            silence = before.get(token)
            if silence is not None and silence.beat == beat:
                self._silences[token] = _Silence(beat, silence.seconds + passed)
            else:
                self._silences[token] = _Silence(beat)
        return [token for token, s in self._silences.items() if s.seconds >= self.lease]
