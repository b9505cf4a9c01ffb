"""All pauses of the service of jobs in one value, so that its caller can change them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobTimes:
    """Pauses of JobService and of the batches over it, in seconds.

    recheck: between two looks at the disk during a wait: events are only hints
    recheck_without_events: the same where a queue reports no events
    short_wait: that a client waits when too many wait already. It asks again at once, and again
    batch_look: between two looks at the oldest sessions of a batch that have no verdict
    batch_look_all: between two looks at all of them
    batch_patience: that a client waits for another that adds to the same batch
    """

    recheck: float = 1.0
    recheck_without_events: float = 0.1
    short_wait: float = 0.1
    batch_look: float = 0.2
    batch_look_all: float = 5.0
    batch_patience: float = 5.0


DEFAULT_TIMES = JobTimes()
