"""Jobs whose files the disk refuses keep no other job, and are put on hold in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.helpers import KIND, Clock, wait_until
from support.watched import Watched, died_while_running

import scai.worker.preparation
from scai.models import cards
from scai.queues.base import Claim
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.session import Session
from scai.worker.pipeline import Worker
from scai.worker.refusals import Refusals, works
from workers.image_classification import build

Make = Callable[..., Session]
DENIED = PermissionError(13, "Permission denied")


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    models = ModelCache(
        lambda section: Watched(build(cards.load_card(fake_models, section, KIND)))  # type: ignore[arg-type,return-value]
    )
    models.get()
    return models


@pytest.fixture
def claim(queue: DirectoryQueue, submit: Make) -> Claim:
    submit()
    return queue.claim(1, 0)[0]


def refuse_records(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> None:
    real = Session.record

    def record(self: Session) -> dict[str, Any]:
        if self.name in names:
            raise DENIED
        return real(self)

    monkeypatch.setattr(Session, "record", record)


def refuse_pictures(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> None:
    real = scai.worker.preparation.open_plain

    def open_plain(path: Path) -> Any:
        if path.parent.name in names:
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(scai.worker.preparation, "open_plain", open_plain)


def refuse_verdicts(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> None:
    """The jobs have no attempt left, and their failure cannot be written."""
    real = Session.fail

    def fail(self: Session, *arguments: Any, **named: Any) -> bool:
        if self.name in names:
            raise DENIED
        return real(self, *arguments, **named)

    monkeypatch.setattr(Session, "fail", fail)


@pytest.mark.parametrize("refuse", [refuse_records, refuse_pictures, refuse_verdicts])
def test_sessions_that_are_refused_keep_no_other_job(
    queue: DirectoryQueue,
    models: ModelCache,
    sessions: Path,
    submit: Make,
    monkeypatch: pytest.MonkeyPatch,
    refuse: Callable[[pytest.MonkeyPatch, set[str]], None],
) -> None:
    bad = [submit() for _ in range(8)]
    if refuse is refuse_verdicts:
        for session in bad:
            died_while_running(session, 3)
    good = submit()
    names = {session.name for session in bad}
    with monkeypatch.context() as patch:
        refuse(patch, names)
        worker = Worker(queue, models, sessions, batch=2)
        # Nobody may sleep for them.
        worker._sleep = lambda seconds: pytest.fail("paused")
        thread = threading.Thread(target=worker.run, args=(0.2,))
        thread.start()
        try:
            wait_until(lambda: good.state == "complete")
        finally:
            worker.stop()
            thread.join(20)
            worker.close()
    assert {*queue.waiting()} == names
    worker = Worker(queue, models, sessions)
    while len(queue):
        worker.step()
    worker.close()
    assert {session.state for session in bad} <= {"complete", "failure"}
    assert {session.record()["attempts"] for session in bad} <= {1, 3}


def test_a_job_is_held_after_some_tries_over_some_minutes(
    claim: Claim, queue: DirectoryQueue
) -> None:
    clock = Clock(0.0)
    refusals = Refusals(lambda: True, tries=3, minutes=5.0, clock=clock)
    for clock.now in (0.0, 200.0, 290.0):
        assert refusals.keep(claim, DENIED)
        assert refusals.take_due() == []
        clock.now += 60.0
        assert refusals.take_due() == [claim]
        assert refusals.take_due() == []
    assert queue.held() == {}
    clock.now = 360.0
    assert refusals.keep(claim, DENIED)
    assert "Permission denied" in queue.held()[claim.job.session]
    assert (refusals.known, queue.claims()) == ({}, [])


def test_it_is_tried_again_ever_more_rarely(claim: Claim) -> None:
    clock, tries = Clock(0.0), []
    refusals = Refusals(lambda: True, tries=1000, clock=clock)
    assert refusals.keep(claim, DENIED)
    while clock.now < 200:
        clock.now += 1
        if refusals.take_due():
            tries.append(clock.now)
            refusals.keep(claim, DENIED)
    assert tries == [1, 3, 7, 15, 31, 63, 123, 183]


@pytest.mark.parametrize(("sound", "number"), [(False, 13), (True, 28), (True, 24)])
def test_while_the_whole_spool_is_out_of_order_no_job_is_to_blame(
    claim: Claim, queue: DirectoryQueue, sound: bool, number: int
) -> None:
    refusals = Refusals(lambda: sound, tries=1, minutes=0.0)
    assert not refusals.keep(claim, OSError(number, "refused"))
    assert refusals.known == {} and queue.held() == {} and len(queue.claims()) == 1


def test_only_so_many_claims_are_kept(queue: DirectoryQueue, submit: Make) -> None:
    for _ in range(3):
        submit()
    first, second, third = queue.claim(3, 0)
    refusals = Refusals(lambda: True, most=2)
    assert refusals.keep(first, DENIED) and refusals.keep(second, DENIED)
    assert not refusals.keep(third, DENIED)
    refusals.give_back()
    assert len(queue) == 2
    assert refusals.keep(third, DENIED)


def test_a_folder_works_when_a_file_can_be_written_there(tmp_path: Path) -> None:
    assert works(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not works(tmp_path / "missing")
