"""Verdicts that wait for a lock or the disk: they cost no work, keep nobody, and come at last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.helpers import KIND, Clock, wait_until
from support.watched import Watched, died_while_running

from scai.errors import EngineError
from scai.models import cards
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.disk import Disk
from scai.storage.session import Session
from scai.worker.contention import Contention
from scai.worker.outcomes import Failed
from scai.worker.pipeline import Worker
from scai.worker.task import INFERENCE, WAITING, Task
from scai.worker.verdicts import Verdicts
from scai.worker.watchdog import TimeLimits
from workers.image_classification import build

Make = Callable[..., Session]


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    models = ModelCache(
        lambda section: Watched(build(cards.load_card(fake_models, section, KIND)))  # type: ignore[arg-type,return-value]
    )
    models.get()
    return models


@pytest.fixture
def task(queue: DirectoryQueue, submit: Make) -> Task:
    """A task of which a verdict is known."""
    session = submit()
    [claim] = queue.claim(1, 0)
    with session.lock() as locked:
        assert locked is not None
        record = locked.start(claim=claim.token)
    task = Task(claim, session, record)
    task.enter(INFERENCE, 0.0)
    return task


@pytest.fixture
def engine(models: ModelCache) -> Iterator[Callable[[], threading.Event]]:
    """Lets the engine wait; returns the event that is set once it does."""
    go = threading.Event()

    def wait(tensors: Any) -> None:
        inside.set()
        assert go.wait(20)

    inside = threading.Event()

    def stop() -> threading.Event:
        models.get().fail = wait  # type: ignore[attr-defined]
        return inside

    stop.go = go  # type: ignore[attr-defined]
    yield stop
    go.set()


def suspect_of(make: Make, queue: DirectoryQueue) -> Session:
    session = make()
    died_while_running(session, 1)
    queue.put(Job(session.name, KIND))
    return session


def test_a_lock_that_is_held_all_the_time_is_taken_after_the_patience(task: Task) -> None:
    clock = Clock(0.0)
    contention = Contention(Disk(), 30.0, clock=clock)
    with task.session.lock() as stopped:
        assert stopped is not None
        for clock.now in (0.0, 15.0, 29.0):
            assert not contention.note(task)
        clock.now = 31.0
        assert contention.note(task)
        with task.session.lock() as ours:
            assert ours is not None


def test_tries_long_ago_do_not_count(task: Task) -> None:
    """The lock was held by others then: whoever holds it now may be at work."""
    clock = Clock(0.0)
    contention = Contention(Disk(), 30.0, clock=clock)
    with task.session.lock():
        assert not contention.note(task)
        clock.now = 3600.0
        assert not contention.note(task)
        clock.now = 3631.0
        assert not contention.note(task)
        contention.forget(task)
        contention.forget(task)


@pytest.mark.slow
def test_a_verdict_is_published_although_a_stopped_process_holds_the_lock(task: Task) -> None:
    clock, left = Clock(0.0), []

    def pause(seconds: float) -> bool:
        assert task in left  # suspects need not wait for it
        clock.now += 20.0
        return False

    verdicts = Verdicts(
        pause, clock=clock, contention=Contention(Disk(), 30.0, clock=clock), leave=left.append
    )
    with task.session.lock():
        verdicts.finish(task, Failed(EngineError("no")))
        assert task.session.state == "failure"
    assert not task.is_current
    assert task.worked(clock.now) == 0.0


def test_waiting_for_the_lock_is_no_work(task: Task) -> None:
    verdicts = Verdicts(lambda seconds: False)
    with task.session.lock():
        thread = threading.Thread(target=verdicts.finish, args=(task, Failed(EngineError("no"))))
        thread.start()
        wait_until(lambda: task.stage != INFERENCE)
        stage = task.stage
    thread.join(20)
    assert (stage, task.session.state) == (WAITING, "failure")


@pytest.mark.slow
def test_a_claim_that_was_lost_waits_for_no_lock(task: Task, queue: DirectoryQueue) -> None:
    for claim in (queue.pool / ".claimed").iterdir():
        claim.unlink()
    pauses: list[float] = []
    with task.session.lock():
        Verdicts(lambda seconds: bool(pauses.append(seconds))).finish(
            task, Failed(EngineError("no"))
        )
    assert pauses == [] and task.session.state == "processing"


@pytest.mark.slow
def test_a_suspect_does_not_wait_for_a_verdict_that_waits_for_the_disk(
    queue: DirectoryQueue,
    models: ModelCache,
    sessions: Path,
    submit: Make,
    new_session: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, full, tried = submit(), threading.Event(), threading.Event()
    full.set()
    real = Session.complete

    def complete(self: Session, *arguments: Any, **named: Any) -> bool:
        if self.name == first.name and full.is_set():
            tried.set()
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **named)

    monkeypatch.setattr(Session, "complete", complete)
    worker = Worker(queue, models, sessions)
    thread = threading.Thread(target=worker.run, args=(0.2,))
    thread.start()
    assert tried.wait(20)
    suspect = suspect_of(new_session, queue)
    try:
        wait_until(lambda: suspect.state == "complete")
        assert first.state == "processing"
        full.clear()
        wait_until(lambda: first.state == "complete")
    finally:
        full.clear()
        worker.stop()
        thread.join(20)
        worker.close()


def test_a_suspect_that_waits_until_it_is_alone_does_not_work(
    queue: DirectoryQueue,
    models: ModelCache,
    sessions: Path,
    submit: Make,
    new_session: Make,
    engine: Any,
) -> None:
    clock, inside = Clock(0.0), engine()
    submit()
    worker = Worker(queue, models, sessions, clock=clock, watch_period=3600)
    thread = threading.Thread(target=worker.run, args=(0.2,))
    thread.start()
    try:
        assert inside.wait(20)
        suspect = suspect_of(new_session, queue)
        wait_until(lambda: "alone" in worker._ready._hurry)
        clock.now += TimeLimits().job + 1
        worker.watch()
        assert suspect.state == "processing"
        engine.go.set()
        wait_until(lambda: suspect.state == "complete")
    finally:
        engine.go.set()
        worker.stop()
        thread.join(20)
        worker.close()


def test_a_second_ticket_of_a_job_that_runs_its_last_attempt_waits_and_goes(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, submit: Make, engine: Any
) -> None:
    session, inside = submit(), engine()
    died_while_running(session, 2)
    worker = Worker(queue, models, sessions)
    thread = threading.Thread(target=worker.run, args=(0.2,))
    thread.start()
    try:
        assert inside.wait(20)
        (queue.pool / session.name).touch()
        wait_until(lambda: len(queue) == 0, what="claimed a second time")
        assert session.state == "processing"
        engine.go.set()
        wait_until(lambda: session.state == "complete" and not queue.has(session.name))
    finally:
        engine.go.set()
        worker.stop()
        thread.join(20)
        worker.close()
    assert queue.held() == {}
