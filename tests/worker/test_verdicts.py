"""The end of a job: each outcome ends its claim once, and only the holder of the claim writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from support.helpers import KIND, Clock, picture
from support.scripted import card

from scai.errors import BadSession, ConfigError, EngineError, ScaiError
from scai.pictures.pixels import read_picture
from scai.queues.base import Claim, Job
from scai.recognition.results import Classification, Detections, Result
from scai.storage.session import Session
from scai.worker.outcomes import (
    AlreadyFinal,
    Complete,
    Failed,
    Later,
    Lost,
    Missing,
    Outcome,
    Unreadable,
)
from scai.worker.task import INFERENCE, Task
from scai.worker.verdicts import Verdicts


class Recorded(Claim):
    """A claim that remembers how it was ended; `error` is raised by all but `give_back`."""

    def __init__(self, session: str) -> None:
        self.job = Job(session, KIND)
        self.token = f"{session}@owner+1"
        self.current = True
        self.rival = ""
        self.ends: list[str] = []
        self.error: Exception | None = None

    def done(self) -> None:
        self._end("done")

    def hold(self, reason: str) -> None:
        self._end(f"hold: {reason}")

    def give_back(self) -> None:
        self.ends.append("given back")

    def is_current(self, token: str) -> bool:
        is_ours = self.current and not self.ends
        return token == self.rival or (is_ours and token == self.token)

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
    """A task that was begun, decoded and run."""
    session = new_session()
    task = Task(Recorded(session.name), session, session.record())
    with session.lock():
        task.record = session.start(claim=task.claim.token)
    task.enter(INFERENCE, 0.0)
    task.decoded = read_picture(picture())
    task.times = {"waited_ms": 1.0, "infer_ms": 2.0}
    return task


def unlocked(task: Task) -> bool:
    with task.session.lock() as ours:
        return ours is not None


OUTCOMES = [
    (complete(NAMED), "done", "complete"),
    (complete(BOXED), "done", "complete"),
    (Failed(EngineError("no")), "done", "failure"),
    (Failed(ScaiError("died"), hold="died 3 times"), "hold: died 3 times", "failure"),
    (Unreadable(BadSession("no JSON")), "hold: no JSON", "failure"),
    (Missing("no such session"), "hold: no such session", "processing"),
    (AlreadyFinal(), "done", "processing"),
    (Later(), "given back", "processing"),
]


@pytest.mark.parametrize(("outcome", "end", "state"), OUTCOMES)
def test_each_outcome_ends_the_claim_once_and_frees_the_session(
    task: Task, outcome: Outcome, end: str, state: str
) -> None:
    Verdicts(lambda seconds: False).finish(task, outcome)
    assert task.claim.ends == [end]  # type: ignore[attr-defined]
    assert task.session.state == state
    assert unlocked(task)


def test_a_client_reads_no_folder_of_the_server_and_the_log_does(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = "/opt/scai/usr/ic.config: [m] GRAPH: expected a file, got '/srv/models/net.pb'"
    Verdicts(lambda seconds: False).finish(task, Failed(ConfigError(sentence, layer="in")))
    result = task.session.result()
    assert result["error"] == "…/ic.config: [m] GRAPH: expected a file, got '…/net.pb'"
    assert (result["code"], result["layer"]) == ("config", "in")
    assert sentence in caplog.text


@pytest.mark.parametrize("outcome", [AlreadyFinal(), Missing("gone")])
@pytest.mark.parametrize("error", [OSError(28, "no space"), ValueError("a bug")])
def test_a_claim_that_cannot_be_ended_waits_again(
    task: Task, outcome: Outcome, error: Exception
) -> None:
    pauses: list[float] = []
    task.claim.error = error  # type: ignore[attr-defined]
    Verdicts(lambda seconds: bool(pauses.append(seconds))).finish(task, outcome)
    assert task.claim.ends == ["given back"] and pauses == [1.0]  # type: ignore[attr-defined]
    assert unlocked(task)


def test_a_ticket_that_the_disk_does_not_let_go_is_tried_again_after_the_verdict(
    task: Task,
) -> None:
    task.claim.error = OSError(28, "no space")  # type: ignore[attr-defined]
    notes: list[object] = []

    def pause(seconds: float) -> bool:
        assert task.session.state == "failure" and notes == []
        task.claim.error = None  # type: ignore[attr-defined]
        return False

    Verdicts(pause, notes.append).finish(task, Unreadable(ScaiError("x")))
    assert task.claim.ends == ["hold: x"] and len(notes) == 1  # type: ignore[attr-defined]


def test_a_worker_that_stops_gives_back_a_verdict_that_the_disk_refuses(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> bool:
        raise OSError(28, "no space")

    monkeypatch.setattr(Session, "complete", refuse)
    Verdicts(lambda seconds: True).finish(task, complete(NAMED))
    assert task.claim.ends == ["given back"]  # type: ignore[attr-defined]
    assert task.session.state == "processing" and unlocked(task)


@pytest.mark.parametrize("draws", [True, False])
def test_results_are_drawn_for_kinds_that_draw(task: Task, draws: bool) -> None:
    Verdicts(lambda seconds: False, draws=draws).finish(task, complete(BOXED))
    assert (task.session.picture_path is not None) == draws
    assert task.session.result()["result_image"] == ("output.png" if draws else "")


def test_memory_is_released_at_the_end(task: Task) -> None:
    released: list[bool] = []
    task.resources.callback(lambda: released.append(True))
    Verdicts(lambda seconds: False).finish(task, AlreadyFinal())
    assert released == [True]


@pytest.mark.parametrize("outcome", [complete(NAMED), Failed(EngineError("no")), Lost()])
def test_whoever_lost_the_claim_publishes_nothing(task: Task, outcome: Outcome) -> None:
    notes: list[object] = []
    before = {file.name: file.read_bytes() for file in task.session.path.iterdir()}
    task.claim.current = False  # type: ignore[attr-defined]
    Verdicts(lambda seconds: False, notes.append).finish(task, outcome)
    assert {file.name: file.read_bytes() for file in task.session.path.iterdir()} == before
    assert (task.claim.ends, notes) == ([], [])  # type: ignore[attr-defined]


def test_a_run_that_another_claim_has_begun_since_is_not_touched(task: Task) -> None:
    """The claim's file may be there again by a mistake; the record names the other run."""
    other = f"{task.session.name}@other+1"
    task.session.start(claim=other)
    task.claim.rival = other  # type: ignore[attr-defined]
    Verdicts(lambda seconds: False).finish(task, complete(NAMED))
    assert task.session.state == "processing"
    assert task.session.record()["claim"] == other


def test_the_first_verdict_stays_and_is_told_once(task: Task) -> None:
    """Two workers were forced onto one job."""
    notes: list[object] = []
    verdicts = Verdicts(lambda seconds: False, notes.append)
    verdicts.finish(task, complete(NAMED))
    files = {file.name: file.read_bytes() for file in task.session.path.iterdir()}
    late = Task(Recorded(task.session.name), task.session, task.record)
    late.decoded, late.times = task.decoded, dict(task.times)
    verdicts.finish(late, complete(BOXED))
    assert {file.name: file.read_bytes() for file in task.session.path.iterdir()} == files
    assert late.claim.ends == ["done"] and len(notes) == 1  # type: ignore[attr-defined]


def test_a_job_that_is_given_back_keeps_its_attempts(task: Task) -> None:
    assert task.session.record()["attempts"] == 1
    clock = Clock(2.5)
    Verdicts(lambda seconds: False, clock=clock).finish(task, Later())
    record = task.session.record()
    assert (record["attempts"], record["worked"], record["state"]) == (0, 2.5, "processing")


def test_an_attempt_is_taken_back_once_and_by_its_own_claim_only(task: Task) -> None:
    verdicts = Verdicts(lambda seconds: False, clock=Clock(1.0))
    task.session.start(claim=f"{task.session.name}@other+1")
    verdicts.take_back(task)
    assert task.session.record()["attempts"] == 2
    task.session.start(claim=task.claim.token)
    task.is_taken_back = False
    verdicts.take_back(task)
    verdicts.take_back(task)
    assert task.session.record()["attempts"] == 2


def test_a_lock_that_somebody_holds_delays_the_verdict(task: Task) -> None:
    with ExitStack() as stack:
        assert stack.enter_context(task.session.lock())
        pauses: list[float] = []

        def pause(seconds: float) -> bool:
            pauses.append(seconds)
            stack.close()
            return False

        Verdicts(pause).finish(task, complete(NAMED))
    assert task.session.state == "complete" and pauses == [1.0]


def test_a_verdict_of_one_who_died_is_flushed_before_its_ticket_goes(task: Task) -> None:
    """It can be read, but a power cut could still take it back, and then no ticket would wait."""
    flushed: list[tuple[object, object]] = []

    def flush(folder: Path) -> None:
        flushed.append((folder, list(task.claim.ends)))  # type: ignore[attr-defined]

    Verdicts(lambda seconds: False, flush=flush).finish(task, AlreadyFinal())
    assert flushed == [(task.session.path, [])]
    assert task.claim.ends == ["done"]  # type: ignore[attr-defined]


def test_a_ticket_stays_while_the_verdict_cannot_be_flushed(task: Task) -> None:
    def flush(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    Verdicts(lambda seconds: False, flush=flush).finish(task, AlreadyFinal())
    assert task.claim.ends == ["given back"]  # type: ignore[attr-defined]
