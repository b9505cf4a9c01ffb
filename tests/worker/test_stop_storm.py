"""A worker is stopped many times while its queue is full, and no accepted job is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.helpers import KIND, wait_until

from scai.models import cards
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.disk import Disk
from scai.storage.session import Session
from scai.worker.pipeline import Worker
from workers.image_classification import build

WAITING = 40


@pytest.mark.parametrize("stops", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_no_job_is_lost_when_workers_are_stopped_again_and_again_under_load(
    tmp_path: Path,
    sessions: Path,
    new_session: Callable[..., Session],
    stops: int,
    fake_models: Path,
) -> None:
    # Given a queue that always has jobs waiting
    models = ModelCache(lambda section: build(cards.load_card(fake_models, section, KIND)))
    models.get()
    pool = tmp_path / "pool"
    disk = Disk("off")
    portal = DirectoryQueue(pool, KIND, doorbell=False, disk=disk)
    accepted: list[Session] = []

    def fill() -> None:
        while len(portal) < WAITING:
            session = new_session()
            portal.put(Job(session.name, KIND))
            accepted.append(session)

    # When workers are stopped at any moment, as SIGTERM stops them
    moments = random.Random(1)
    for _ in range(stops):
        fill()
        queue = DirectoryQueue(pool, KIND, sweep=0.2, doorbell=False, disk=disk)
        worker = Worker(queue, models, sessions, batch=4, threads=4, disk=disk)
        running = threading.Thread(target=worker.run)
        running.start()
        wait_until(queue.claims, what="the worker began")
        threading.Event().wait(moments.random() * 0.01)
        worker.stop()
        running.join(20)
        worker.close()
        assert not running.is_alive()
        assert portal.claims() == []

    # Then each job has its verdict or waits
    waiting = set(portal.waiting())
    lost = [s.name for s in accepted if s.state != "complete" and s.name not in waiting]
    portal.close()
    assert lost == []
    assert len(accepted) > stops
