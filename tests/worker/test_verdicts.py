"""The end of a job: each outcome ends its claim once, and the lock goes whatever happens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.helpers import KIND, picture
from support.scripted import card

from scai.errors import BadSession, EngineError, ScaiError
from scai.pictures.pixels import read_picture
from scai.queues.base import Claim, Job
from scai.recognition.results import Classification, Detections, Result
from scai.storage.session import Session
from scai.worker.outcomes import (
    AlreadyFinal,
    Complete,
    Failed,
    Later,
    Missing,
    Outcome,
    Unreadable,
)
from scai.worker.task import Task
from scai.worker.verdicts import Verdicts


class Recorded(Claim):
    """A claim that remembers how it was ended; `error` is raised by all but `give_back`."""

    def __init__(self, session: str) -> None:
        self.job = Job(session, KIND)
        self.token = f"{session}@owner+1"
        self.current = True
        self.ends: list[str] = []
        self.error: Exception | None = None

    def done(self) -> None:
        self._end("done")

    def hold(self, reason: str) -> None:
        self._end(f"hold: {reason}")

    def give_back(self) -> None:
        self.ends.append("given back")

    def is_current(self, token: str) -> bool:
        return self.current and token == self.token

    def _end(self, how: str) -> None:
        if self.error:
            raise self.error
        self.ends.append(how)


class Loaded:
    """What verdicts ask of a recognizer."""

    def __init__(self) -> None:
        self.card = card(KIND)
        self.engine = type("Named", (), {"name": "scripted"})()


def complete(result: Result) -> Complete:
    return Complete(result, Loaded())  # type: ignore[arg-type]


NAMED = Classification(("cat",), np.array([1]), np.array([0.9]))
BOXED = Detections(np.array([[1, 2, 9, 8]]), np.array([0.9]), np.array([1]), ("cat",), 64, 48)


@pytest.fixture
def task(new_session: Callable[..., Session]) -> Task:
    """A task that holds its session's lock, decoded and run."""
    session = new_session()
    task = Task(Recorded(session.name), session, session.record())
    assert task.resources.enter_context(session.lock())
    task.decoded = read_picture(picture())
    task.times = {"waited_ms": 1.0, "infer_ms": 2.0}
    return task


def unlocked(task: Task) -> bool:
    with task.session.lock() as ours:
        return ours


OUTCOMES = [
    (complete(NAMED), "done", "complete"),
    (complete(BOXED), "done", "complete"),
    (Failed(EngineError("no")), "done", "failure"),
    (Failed(ScaiError("died"), hold="died 3 times"), "hold: died 3 times", "failure"),
    (Unreadable(BadSession("no JSON")), "hold: no JSON", "failure"),
    (Missing("no such session"), "hold: no such session", "initialization"),
    (AlreadyFinal(), "done", "initialization"),
    (Later(), "given back", "initialization"),
]


@pytest.mark.parametrize(("outcome", "end", "state"), OUTCOMES)
def test_each_outcome_ends_the_claim_once_and_frees_the_session(
    task: Task, outcome: Outcome, end: str, state: str
) -> None:
    Verdicts(lambda seconds: False).finish(task, outcome)
    assert task.claim.ends == [end]  # type: ignore[attr-defined]
    assert task.session.state == state
    assert unlocked(task)


@pytest.mark.parametrize("outcome", [AlreadyFinal(), Missing("gone"), Unreadable(ScaiError("x"))])
@pytest.mark.parametrize("error", [OSError(28, "no space"), ValueError("a bug")])
def test_a_claim_that_cannot_be_ended_waits_again(
    task: Task, outcome: Outcome, error: Exception
) -> None:
    pauses: list[float] = []
    task.claim.error = error  # type: ignore[attr-defined]
    Verdicts(lambda seconds: bool(pauses.append(seconds))).finish(task, outcome)
    assert task.claim.ends == ["given back"] and pauses == [1.0]  # type: ignore[attr-defined]
    assert unlocked(task)


def test_a_worker_that_stops_gives_back_a_verdict_that_the_disk_refuses(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> bool:
        raise OSError(28, "no space")

    monkeypatch.setattr(Session, "complete", refuse)
    Verdicts(lambda seconds: True).finish(task, complete(NAMED))
    assert task.claim.ends == ["given back"]  # type: ignore[attr-defined]
    assert task.session.state == "initialization" and unlocked(task)


@pytest.mark.parametrize("draws", [True, False])
def test_results_are_drawn_for_kinds_that_draw(task: Task, draws: bool) -> None:
    Verdicts(lambda seconds: False, draws=draws).finish(task, complete(BOXED))
    assert (task.session.picture_path is not None) == draws
    assert task.session.result()["result_image"] == ("output.png" if draws else "")


def test_memory_is_released_before_the_lock(task: Task) -> None:
    locked: list[bool] = []
    task.resources.callback(lambda: locked.append(not unlocked(task)))
    Verdicts(lambda seconds: False).finish(task, AlreadyFinal())
    assert locked == [True]
