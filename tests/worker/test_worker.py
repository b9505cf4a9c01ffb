"""Turning jobs into verdicts, one step at a time."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from support.helpers import KIND, Clock, picture
from support.watched import Watched, died_while_running

from scai.errors import EngineError
from scai.models import cards
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.storage.session import Session, new_name
from scai.worker.pipeline import Worker
from workers.image_classification import build

Make = Callable[..., Session]
LABELS = ["black", "dark", "grey", "light", "white"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    file = tmp_path / "image_classification.config"
    section = "ENGINE = fake\nLABELS = labels.txt\n"
    file.write_text(f"[default]\n{section}\n[other]\n{section}TOP_K = 1\n")
    return file


@pytest.fixture
def models(config: Path) -> ModelCache:
    return ModelCache(
        lambda section: Watched(build(cards.load_card(config, section, KIND)))  # type: ignore[arg-type,return-value]
    )


@pytest.fixture
def worker(queue: DirectoryQueue, models: ModelCache, sessions: Path) -> Iterator[Worker]:
    clock = Clock(0.0)  # pauses pass at once
    worker = Worker(queue, models, sessions, batch=8, sleep=clock.sleep, clock=clock)
    yield worker
    worker.close()


def test_a_job_gets_its_verdict_and_its_ticket_goes(
    worker: Worker, submit: Make, queue: DirectoryQueue
) -> None:
    session = submit(data=picture(color=(250, 250, 250)))
    assert worker.step() == 1
    result = session.result()
    assert result["state"] == "complete"
    assert result["predictions"][0] == {"label": "white", "index": 4, "score": 0.9}
    assert json.loads(result["result"])["white"] == "90.0%"
    assert list(json.loads(result["result"]))[0] == "white"
    assert result["image"] == {"width": 64, "height": 48, "orientation": 1}
    assert (result["model"], result["engine"]) == ("default", "fake")
    assert len(queue) == 0 and not queue.claims()


def test_waiting_jobs_are_run_together(worker: Worker, submit: Make, models: ModelCache) -> None:
    for _ in range(5):
        submit()
    assert worker.step() == 5
    assert models.get().batches == [5]


def test_a_job_names_its_model(worker: Worker, submit: Make, models: ModelCache) -> None:
    chosen, default = submit(model="other"), submit()
    worker.step()
    assert len(chosen.result()["predictions"]) == 1
    assert chosen.result()["model"] == "other"
    assert len(default.result()["predictions"]) == 5


def test_an_unknown_model_is_a_failure_with_the_reason(worker: Worker, submit: Make) -> None:
    session = submit(model="nonsense")
    worker.step()
    assert session.state == "failure"
    assert "nonsense" in session.result()["message"]


@pytest.mark.parametrize(
    "data", [b"", b"no picture", picture()[:300]], ids=["empty", "text", "truncated"]
)
def test_a_bad_picture_fails_and_the_others_go_on(
    worker: Worker, submit: Make, data: bytes
) -> None:
    good, bad, good_too = submit(), submit(data=data), submit()
    worker.step()
    assert [s.state for s in (good, bad, good_too)] == ["complete", "failure", "complete"]
    assert bad.result()["stage"] in ("format", "header", "decode")


def test_a_missing_session_is_held_with_the_reason(worker: Worker, queue: DirectoryQueue) -> None:
    name = new_name(1_790_000_000.0)
    queue.put(Job(name, KIND))
    worker.step()
    assert queue.held() == {name: "no such session"}


def test_a_broken_record_becomes_a_failure(
    worker: Worker, submit: Make, queue: DirectoryQueue
) -> None:
    session = submit()
    (session.path / "process.json").write_text('{"state": "initia')
    worker.step()
    assert session.state == "failure"
    assert session.name in queue.held()


def test_a_flipped_bit_in_a_record_holds_its_job_and_gives_no_other_verdict(
    worker: Worker, submit: Make, queue: DirectoryQueue, sessions: Path
) -> None:
    good, *hurt = [submit() for _ in range(12)]
    for number, session in enumerate(hurt):
        data = bytearray((session.path / "process.json").read_bytes())
        data[len(data) * number // len(hurt)] ^= 1 << number % 8
        (session.path / "process.json").write_bytes(data)
    while worker.step():
        pass
    assert good.state == "complete"
    reasons = queue.held()
    assert set(reasons) == {session.name for session in hurt}
    assert all(reason.startswith("process.json ") for reason in reasons.values())
    assert {session.result()["code"] for session in hurt} == {"bad_session"}
    assert len(list((sessions / ".corrupt").iterdir())) == len(hurt)


HOSTILE_RECORDS = [
    # a foreign client's process.json, and what becomes of the job
    (b"[" * 200_000, "failure"),  # deeper than any parser goes
    (b'{"state": 5, "job": "image_classification", "input_image": "input.jpg"}', "complete"),
    (b'{"job": "image_classification", "input_image": "input.jpg"}', "complete"),
    (b'{"job": ["image_classification"], "input_image": "input.jpg"}', "failure"),
    (b'{"job": "image_classification"}', "failure"),
    (b'{"job": "image_classification", "input_image": ["input.jpg"]}', "failure"),
    (b'{"job": "image_classification", "input_image": "nothing.jpg"}', "failure"),
    (b'{"job": "image_classification", "input_image": "' + b"x" * 300 + b'"}', "failure"),
    (b'{"job": "image_classification", "input_image": "input.jpg", "attempts": "x"}', "complete"),
    (b'{"job": "image_classification", "input_image": "input.jpg", "created": 1e999}', "failure"),
    (
        b'{"job": "image_classification", "input_image": "input.jpg", "created": 1%s}'
        % (b"0" * 400),
        "complete",
    ),
    (b'{"job": "image_classification", "input_image": "input.jpg", "model": []}', "failure"),
    (
        b'{"job": "image_classification", "input_image": "input.jpg", "filename": "\\ud800"}',
        "complete",
    ),
    (
        b'{"job": "image_classification", "input_image": "input.jpg", "threshold": "high",'
        b' "top_k": -3}',
        "complete",
    ),
    (b"\xff\xfe", "failure"),
    (b"null", "failure"),
    (b"", "failure"),
]


@pytest.mark.parametrize(("record", "state"), HOSTILE_RECORDS, ids=lambda v: str(v)[:60])
def test_no_record_of_a_foreign_client_stops_the_worker(
    worker: Worker, submit: Make, record: bytes, state: str
) -> None:
    good, hostile, good_too = submit(), submit(), submit()
    (hostile.path / "process.json").write_bytes(record)
    worker.step()
    assert [s.state for s in (good, hostile, good_too)] == ["complete", state, "complete"]


def test_a_pipe_in_the_place_of_the_record_does_not_hang_the_worker(
    worker: Worker, submit: Make, queue: DirectoryQueue
) -> None:
    good, hostile = submit(), submit()
    (hostile.path / "process.json").unlink()
    os.mkfifo(hostile.path / "process.json")
    worker.step()
    assert good.state == "complete"
    assert hostile.name in queue.held()


def test_a_passing_error_of_the_disk_changes_nothing_and_the_job_waits_again(
    worker: Worker, submit: Make, queue: DirectoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = submit()
    before = (session.path / "process.json").read_bytes()

    def refuse(self: Session) -> dict:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "record", refuse)
        worker.step()
    assert (session.path / "process.json").read_bytes() == before
    assert len(queue) == 1
    worker.step()
    assert session.state == "complete"


def test_a_ticket_in_the_wrong_queue_is_a_failure(worker: Worker, submit: Make) -> None:
    session = submit(kind="object_detection")
    worker.step()
    assert session.state == "failure"


def test_a_final_session_is_not_run_again(
    worker: Worker, submit: Make, queue: DirectoryQueue, models: ModelCache
) -> None:
    session = submit()
    worker.step()
    before = (session.path / "process.json").read_bytes()
    queue.put(Job(session.name, KIND))
    worker.step()
    assert (session.path / "process.json").read_bytes() == before
    assert models.get().batches == [1]
    assert len(queue) == 0


def test_a_session_that_somebody_else_runs_is_left_to_them(
    worker: Worker, submit: Make, queue: DirectoryQueue
) -> None:
    session = submit()
    with session.lock():
        worker.step()
        assert session.state == "initialization"
        assert len(queue) == 1
    worker.step()
    assert session.state == "complete"


def test_the_attempt_is_counted_before_the_run(
    worker: Worker, submit: Make, models: ModelCache
) -> None:
    session = submit()
    seen: list[tuple[int, str]] = []
    models.get().fail = lambda images: seen.append(
        (session.record()["attempts"], session.record()["state"])
    )
    worker.step()
    assert seen == [(1, "processing")]


def test_each_suspect_is_a_batch_of_its_own(worker: Worker, submit: Make) -> None:
    suspects = [submit(), submit()]
    for session in suspects:
        died_while_running(session, 1)
    others = [submit() for _ in range(3)]
    worker.step()
    assert [session.result()["batch"] for session in suspects] == [1, 1]
    assert all(session.state == "complete" for session in suspects + others)


def test_after_three_deaths_a_job_is_given_up_and_held(
    worker: Worker, submit: Make, queue: DirectoryQueue, models: ModelCache
) -> None:
    session, good = submit(), submit()
    died_while_running(session, 3)
    worker.step()
    result = session.result()
    assert result["state"] == "failure"
    assert "died 3 times" in result["message"]
    assert result["code"] == "worker_died"
    assert "died 3 times" in queue.held()[session.name]
    assert good.state == "complete"
    assert models.get().batches == [1]


def test_an_engine_that_fails_on_a_batch_gets_each_picture_alone(
    worker: Worker, submit: Make, models: ModelCache
) -> None:
    good, bad = submit(data=picture(color=(0, 0, 0))), submit(data=picture(color=(255, 255, 255)))

    def fail(tensors: Sequence[np.ndarray]) -> None:
        if any(tensor.mean() > 200 for tensor in tensors):
            raise EngineError("this picture is too bright")

    models.get().fail = fail
    worker.step()
    assert good.state == "complete"
    assert bad.state == "failure"
    assert "too bright" in bad.result()["message"]


def test_a_model_whose_loading_breaks_fails_the_job_and_not_the_worker(
    worker: Worker, submit: Make, monkeypatch: pytest.MonkeyPatch, models: ModelCache
) -> None:
    bad, good = submit(model="other"), submit()
    real = models.get

    def get(section: str = "") -> Recognizer:
        if section == "other":
            raise ValueError("could not convert string to float")
        return real(section)

    monkeypatch.setattr(models, "get", get)
    worker.step()
    assert [bad.state, good.state] == ["failure", "complete"]
    assert "could not convert" not in json.dumps(bad.result())


def test_a_huge_foreign_input_is_judged_before_it_is_read(worker: Worker, submit: Make) -> None:
    session = submit()
    with (session.path / "input.jpg").open("r+b") as file:
        file.truncate(3_000_000_000)  # sparse: it takes no room on the disk
    worker.step()
    assert session.state == "failure"
    assert session.result()["code"] == "image_too_large"


def test_a_bug_never_shows_its_text_to_the_client(
    worker: Worker, submit: Make, models: ModelCache
) -> None:
    session = submit()

    def bug(images: Sequence[np.ndarray]) -> None:
        raise RuntimeError("secret internals")

    models.get().fail = bug
    worker.step()
    assert session.state == "failure"
    assert "secret internals" not in json.dumps(session.result())


def test_a_full_disk_delays_the_verdict_and_loses_nothing(
    worker: Worker, submit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = submit()
    real, refusals = Session.complete, [OSError(28, "No space left on device")]

    def complete(self: Session, *arguments: object, **named: object) -> bool:
        if refusals:
            raise refusals.pop()
        return real(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "complete", complete)
    worker.step()
    assert session.state == "complete"


def test_stopping_before_the_batch_gives_it_back(
    worker: Worker, submit: Make, queue: DirectoryQueue
) -> None:
    session = submit()
    worker.stop()
    worker.step()
    assert session.state == "initialization"
    assert len(queue) == 1


def test_job_mode_runs_one_session_with_or_without_a_ticket(
    worker: Worker, submit: Make, new_session: Make, queue: DirectoryQueue
) -> None:
    first, second = submit(), submit()
    alone = new_session()
    worker.run_session(second.name)
    worker.run_session(alone.name)
    assert [s.state for s in (first, second, alone)] == ["initialization", "complete", "complete"]
    assert len(queue) == 1


@pytest.mark.parametrize("why", ["held", "claimed"])
def test_job_mode_leaves_a_session_alone_that_is_on_hold_or_claimed_by_others(
    worker: Worker, submit: Make, queue: DirectoryQueue, why: str
) -> None:
    """Both may happen while the process of the session starts."""
    session = submit()
    claim = queue.claim_one(session.name)
    assert claim is not None
    if why == "held":
        claim.hold("set aside by hand")
    worker.run_session(session.name)
    assert session.state == "initialization"
    assert session.record()["attempts"] == 0
    assert queue.held_sessions() == ([session.name] if why == "held" else [])
    assert claim.is_current(claim.token) == (why == "claimed")


def test_the_least_used_model_makes_room_but_never_the_default(config: Path) -> None:
    loads: list[str] = []

    class Model:
        def close(self) -> None:
            loads.append("close")

    def load(section: str) -> Recognizer:
        loads.append(section)
        return Model()  # type: ignore[return-value]

    models = ModelCache(load, "default", capacity=2)
    for section in ("", "a", "default", "b", "a"):
        models.get(section)
    assert loads == ["default", "a", "b", "close", "a", "close"]
