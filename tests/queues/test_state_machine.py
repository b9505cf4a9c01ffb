"""Two workers and their clients do anything in any order; a model says where each job must be."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.helpers import KIND, Clock
from support.queueing import names

from scai.queues.base import Claim, Job, QueueOptions
from scai.queues.directory import DirectoryQueue, open_queue

LEASE = 60.0
SESSIONS = names(6)
WORKERS = st.sampled_from((0, 1))
# What is drawn does not depend on what happened: which jobs a claim gets is a matter of time.
WHICH = st.integers(0, 11)


class TwoWorkers(RuleBasedStateMachine):
    """The model: sessions that wait, the current claims of each worker, sessions on hold."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=_memory())
        self.clock = Clock(1000.0)
        self.workers = [self._open(), self._open()]
        self.client = self._open()
        self.waiting: set[str] = set()
        self.claims: list[dict[str, Claim]] = [{}, {}]
        self.lost: list[Claim] = []
        self.held: set[str] = set()

    def _open(self) -> DirectoryQueue:
        options = QueueOptions(
            Path(self._folder.name, "pool"),
            sweep=0.0,
            doorbell=False,
            lease=LEASE,
            clock=self.clock,
        )
        queue = open_queue(KIND, options)
        assert isinstance(queue, DirectoryQueue)
        return queue

    def teardown(self) -> None:
        for queue in (*self.workers, self.client):
            queue.close()
        self._folder.cleanup()

    @rule(session=st.sampled_from(SESSIONS))
    def put(self, session: str) -> None:
        """A client may also put a job again that waits or is claimed."""
        self.client.put(Job(session, KIND))
        self.waiting.add(session)

    @rule(worker=WORKERS, limit=st.integers(1, 4))
    def claim(self, worker: int, limit: int) -> None:
        self.workers[worker].beat()
        claims = self.workers[worker].claim(limit, 0)
        sessions = [claim.job.session for claim in claims]
        # One that arrives late may be passed by those that are listed already.
        assert set(sessions) <= self.waiting and len(set(sessions)) == len(sessions)
        assert bool(sessions) == bool(self.waiting)
        for claim in claims:
            # The worker lets go of an earlier claim on a job that was put again meanwhile.
            earlier = self.claims[worker].pop(claim.job.session, None)
            if earlier is not None:
                earlier.done()
            self.claims[worker][claim.job.session] = claim
        self.waiting -= set(sessions)

    @rule(worker=WORKERS, which=WHICH, how=st.sampled_from(("done", "give_back", "hold")))
    def end(self, worker: int, which: int, how: str) -> None:
        if not self.claims[worker]:
            return
        session = sorted(self.claims[worker])[which % len(self.claims[worker])]
        claim = self.claims[worker].pop(session)
        assert claim.is_current(claim.token)
        if how == "hold":
            claim.hold("a reason")
            self.held.add(session)
        elif how == "done":
            claim.done()
        else:
            claim.give_back()
            self.waiting.add(session)
        assert not claim.is_current(claim.token)

    @rule(which=WHICH, how=st.sampled_from(("done", "give_back", "hold")))
    def end_a_lost_claim(self, which: int, how: str) -> None:
        """Whoever has lost his claim changes nothing; the invariants say so."""
        if not self.lost:
            return
        claim = self.lost.pop(which % len(self.lost))
        assert not claim.is_current(claim.token)
        claim.hold("late") if how == "hold" else getattr(claim, how)()

    @rule(worker=WORKERS)
    def fall_silent(self, worker: int) -> None:
        """A worker is stopped for longer than a lease; the other one goes on."""
        other = self.workers[1 - worker]
        silent = len(self.claims[worker])
        # A watcher counts a quarter of a lease between two looks at most.
        returned = 0
        for _ in range(8):
            other.beat()
            returned += other.recover()
            self.clock.now += LEASE * 0.2
        assert returned == silent
        self._lose(worker)

    @rule(worker=WORKERS)
    def die(self, worker: int) -> None:
        """A worker is killed: the kernel drops its lock, and nothing of it is tidied up."""
        lock = f"{self.workers[worker].owner.id}.lock"
        [descriptor] = [
            int(number) for number in os.listdir("/proc/self/fd") if _target(number).endswith(lock)
        ]
        os.close(descriptor)
        assert self.workers[1 - worker].recover() == len(self.claims[worker])
        self._lose(worker)
        self.workers[worker] = self._open()

    def _lose(self, worker: int) -> None:
        self.waiting |= set(self.claims[worker])
        self.lost += self.claims[worker].values()
        self.claims[worker].clear()

    @rule(session=st.sampled_from(SESSIONS))
    def withdraw(self, session: str) -> None:
        claimed = any(session in claims for claims in self.claims)
        assert self.client.withdraw(session) == (not claimed)
        self.waiting.discard(session)
        if not claimed:
            self.held.discard(session)

    @rule(worker=WORKERS)
    def start_again(self, worker: int) -> None:
        """A worker stops cleanly, gives back what it has claimed, and starts again."""
        for claim in self.claims[worker].values():
            claim.give_back()
        self.waiting |= set(self.claims[worker])
        self.claims[worker].clear()
        self.workers[worker].close()
        self.workers[worker] = self._open()

    @invariant()
    def every_job_is_where_the_model_says(self) -> None:
        assert set(self.client.waiting()) == self.waiting
        assert len(self.client) == len(self.waiting)
        claimed = sorted(status.session for status in self.client.claims())
        assert claimed == sorted(session for claims in self.claims for session in claims)
        assert set(self.client.held_sessions()) == self.held
        for session in SESSIONS:
            assert self.client.waits(session) == (session in self.waiting)
            assert self.client.has(session) == (session in self.waiting or session in claimed)


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


TestTwoWorkers = pytest.mark.slow(TwoWorkers.TestCase)
TestTwoWorkers.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
