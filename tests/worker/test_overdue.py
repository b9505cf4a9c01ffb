"""The thread that looks after jobs is never held up by one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.helpers import KIND, Clock, wait_until
from support.watched import Watched

from scai.models import cards
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.session import Session, Upload
from scai.worker.pipeline import Worker
from scai.worker.watchdog import TimeLimits
from workers.image_classification import build


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    models = ModelCache(
        lambda section: Watched(build(cards.load_card(fake_models, section, KIND)))  # type: ignore[arg-type,return-value]
    )
    models.get()
    return models


def test_an_overdue_job_whose_failure_cannot_be_written_is_tried_once_for_each_look(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, clock, tries = time.time() - 100, Clock(0.0), []
    old = Session.create(sessions, KIND, Upload(b"", ".jpg"), now=lambda: moment)
    queue.put(Job(old.name, KIND))

    def full(self: Session, *arguments: Any, **named: Any) -> bool:
        tries.append(self.name)
        raise OSError(28, "No space left on device")

    def sleep(seconds: float) -> None:
        pytest.fail("it waits for the disk")

    worker = Worker(queue, models, sessions, times=TimeLimits(queue=50), clock=clock, sleep=sleep)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "fail", full)
        worker.watch()
    assert (tries, len(queue), queue.claims()) == ([old.name], 1, [])
    clock.now += 100
    worker.watch()
    worker.close()
    assert old.result()["code"] == "deadline"
    assert (len(queue), queue.claims()) == (0, [])


def test_a_claim_that_was_lost_is_looked_at_once(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, submit: Callable[..., Session]
) -> None:
    session, clock, looks = submit(), Clock(0.0), []
    inside, go = threading.Event(), threading.Event()

    def hang(tensors: object) -> None:
        inside.set()
        assert go.wait(20)

    models.get().fail = hang  # type: ignore[attr-defined]
    worker = Worker(
        queue,
        models,
        sessions,
        clock=clock,
        watch_period=3600,
        when_expired=lambda: looks.append(clock.now),
    )
    thread = threading.Thread(target=worker.step)
    thread.start()
    try:
        assert inside.wait(20)
        for claim in (queue.pool / ".claimed").iterdir():
            claim.rename(queue.pool / session.name)
        for clock.now in (121.0, 122.0, 123.0):
            worker.watch()
    finally:
        go.set()
        thread.join(20)
        worker.close()
    assert looks == [121.0]
    assert session.state == "processing"
    wait_until(lambda: len(queue) == 1)
