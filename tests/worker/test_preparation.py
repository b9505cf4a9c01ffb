"""What is decoded in helpers: it harms nobody else, whatever it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support import toy_decoder
from support.helpers import KIND, Clock, wait_until
from support.watched import Watched, died_while_running

from scai.errors import OutOfResources
from scai.models import cards
from scai.pictures.header import Limits
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.session import Session
from scai.worker.decoders.helper import Helper, HelperDied, Terms
from scai.worker.decoders.pool import HelperPool
from scai.worker.decoding import Decoder
from scai.worker.pipeline import Worker
from scai.worker.watchdog import TimeLimits
from workers.image_classification import build

Submit = Callable[..., Session]
MakeWorker = Callable[..., Worker]


@dataclass(frozen=True)
class ToyLook:
    """An input that begins with "harmless" is; "+" and a number at its end are bytes it needs."""

    decode_bytes: int
    is_harmless: bool


def look(data: bytes, limits: Limits) -> ToyLook:
    _, _, size = data.decode().partition("+")
    return ToyLook(int(size or 1000), data.startswith(b"harmless"))


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    models = ModelCache(
        lambda section: Watched(build(cards.load_card(fake_models, section, KIND)))  # type: ignore[arg-type,return-value]
    )
    models.get()
    return models


@pytest.fixture
def facts() -> dict[str, Any]:
    return {}


@pytest.fixture
def make_worker(
    queue: DirectoryQueue,
    models: ModelCache,
    sessions: Path,
    facts: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MakeWorker]:
    name = toy_decoder.install(tmp_path, monkeypatch)
    monkeypatch.syspath_prepend(str(tmp_path))
    decoder = Decoder(import_module("toy_decoder").decode, look)
    assert decoder.name == name
    made = []

    def make(start: Callable[[Terms], Helper] = Helper, **changes: Any) -> Worker:
        clock = Clock(0.0)  # pauses pass at once
        worker = Worker(
            queue,
            models,
            sessions,
            batch=8,
            decoder=decoder,
            helpers=HelperPool(
                toy_decoder.terms(name, **changes.pop("terms", {})), start=start, clock=clock
            ),
            tell=facts.update,
            report_period=0.0,
            sleep=clock.sleep,
            clock=clock,
            **changes,
        )
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.stop()
        worker.close()


@contextmanager
def running(worker: Worker) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=worker.run, args=(0.2,))
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        thread.join(20)


def states(sessions: list[Session]) -> list[str]:
    return [session.state for session in sessions]


def test_a_crash_in_a_decoder_costs_its_job_an_attempt_and_no_other_job_anything(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue, facts: dict[str, Any]
) -> None:
    good = [submit(data=b"good 5") for _ in range(3)]
    deadly = submit(data=b"crash")
    good += [submit(data=b"good 250") for _ in range(3)]
    with running(make_worker()):
        wait_until(lambda: {*states(good), deadly.state} <= {"complete", "failure"})
        wait_until(lambda: facts.get("done") == 7)
    assert states(good) == ["complete"] * 6
    assert [session.record()["attempts"] for session in good] == [1] * 6
    assert good[5].result()["predictions"][0]["label"] == "white"
    result = deadly.result()
    assert (result["state"], result["code"]) == ("failure", "worker_died")
    assert "ended 3 processes" in result["message"] and "SIGSEGV" in result["message"]
    assert deadly.record()["attempts"] == 3
    assert list(queue.held()) == [deadly.name]
    assert facts["helpers_died"] == 3


@pytest.mark.slow
def test_what_takes_too_much_processor_time_fails_at_once_with_the_reason(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue
) -> None:
    bomb = submit(data=b"spin")
    make_worker(terms={"seconds": 0.2}).step()
    result = bomb.result()
    assert (result["state"], result["code"]) == ("failure", "too_expensive")
    assert (result["stage"], result["setting"]) == ("decode", "decode_deadline")
    assert bomb.record()["attempts"] == 1
    assert (queue.held(), queue.claims(), len(queue)) == ({}, [], 0)


def test_a_lack_of_memory_is_tried_again_alone_and_then_told_as_that(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue
) -> None:
    large, good = submit(data=b"fill 1000000000"), submit(data=b"good 5")
    make_worker().step()
    assert (large.result()["code"], large.record()["attempts"]) == ("resources", 3)
    assert good.state == "complete"
    assert queue.held() == {}


def test_helpers_that_cannot_be_started_cost_no_job_an_attempt(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue
) -> None:
    starts = []

    def start(terms: Terms) -> Helper:
        starts.append(terms)
        if len(starts) <= 5:
            raise OSError(11, "Resource temporarily unavailable")
        return Helper(terms)

    sessions = [submit(data=b"good 1") for _ in range(3)]
    suspect, harmless = submit(data=b"good 2"), submit(data=b"harmless good 5")
    died_while_running(suspect, 2)
    # However long a start takes, it is no work of the job.
    with running(make_worker(start, times=TimeLimits(job=5.0))):
        wait_until(lambda: states([*sessions, suspect, harmless]) == ["complete"] * 5)
    assert [session.record()["attempts"] for session in sessions] == [1] * 3
    assert suspect.record()["attempts"] == 3
    assert queue.held() == {}


@pytest.mark.parametrize("end", [HelperDied("killed by SIGTERM"), OutOfResources("too little")])
def test_a_helper_that_ends_while_the_worker_stops_costs_no_attempt(
    make_worker: MakeWorker,
    submit: Submit,
    queue: DirectoryQueue,
    monkeypatch: pytest.MonkeyPatch,
    end: Exception,
) -> None:
    session = submit(data=b"good 5")
    died_while_running(session, 2)
    worker = make_worker()

    def decode(*arguments: Any, **named: Any) -> None:
        assert session.record()["attempts"] == 3
        worker.stop()
        raise end

    monkeypatch.setattr(worker._lanes, "decode", decode)
    worker.run(0.2)
    assert (session.state, session.record()["attempts"]) == ("processing", 2)
    assert (queue.held(), [*queue.waiting()]) == ({}, [session.name])


def test_what_is_harmless_needs_no_helper(make_worker: MakeWorker, submit: Submit) -> None:
    def refuse(terms: Terms) -> Helper:
        raise AssertionError("a helper was started")

    session = submit(data=b"harmless good 250")
    make_worker(refuse).step()
    assert session.result()["predictions"][0]["label"] == "white"


def test_slow_pictures_block_neither_harmless_ones_nor_quick_ones_in_helpers(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue
) -> None:
    slow = [submit(data=b"sleep 3600") for _ in range(3)]
    with running(make_worker(terms={"slow": 0.05}, threads=2)):
        wait_until(lambda: states(slow) == ["processing"] * 3)
        good = [submit(data=b"good 5"), submit(data=b"harmless good 5"), submit(data=b"good 6")]
        wait_until(lambda: states(good) == ["complete"] * 3)
        assert states(slow) == ["processing"] * 3
    # The end of the worker does not wait for them: they go back to the queue.
    assert sorted(queue.waiting()) == sorted(session.name for session in slow)


@pytest.mark.slow
def test_any_number_of_slow_pictures_leaves_room_for_quick_ones(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue
) -> None:
    slow = [submit(data=b"sleep 3600") for _ in range(20)]
    with running(make_worker(terms={"slow": 0.05}, threads=2)):
        # Six at least: four go on, and others that are slow wait for them.
        wait_until(lambda: states(slow).count("processing") >= 6)
        good = [submit(data=b"harmless good 5"), submit(data=b"good 5")]
        wait_until(lambda: states(good) == ["complete"] * 2)
    assert {*states(slow)} <= {"initialization", "processing"}
    assert sorted(queue.waiting()) == sorted(session.name for session in slow)
    assert {session.record().get("attempts", 0) for session in slow} == {0}


@pytest.mark.slow
def test_slow_pictures_beyond_the_lanes_complete_in_turn(
    make_worker: MakeWorker, submit: Submit
) -> None:
    slow = [submit(data=b"sleep 0.2") for _ in range(10)]
    with running(make_worker(terms={"slow": 0.05}, threads=2)):
        wait_until(lambda: states(slow) == ["complete"] * 10)
    assert {session.record()["attempts"] for session in slow} == {1}


def test_a_suspect_is_decoded_beside_the_others(
    make_worker: MakeWorker, submit: Submit, models: ModelCache
) -> None:
    opened, inside = threading.Event(), threading.Event()

    def wait(tensors: object) -> None:
        inside.set()
        assert opened.wait(20)

    models.get().fail = wait  # type: ignore[attr-defined]
    suspect, crash = submit(data=b"good 5"), submit(data=b"crash")
    for session in (suspect, crash):
        died_while_running(session, 1)
    other = submit(data=b"harmless good 5")
    try:
        with running(make_worker()):
            # The engine is busy; meanwhile one suspect after the other is decoded.
            assert inside.wait(20)
            wait_until(lambda: suspect.record()["attempts"] == 2)
            opened.set()
            wait_until(lambda: states([suspect, other]) == ["complete"] * 2)
            wait_until(lambda: crash.state == "failure")
    finally:
        opened.set()
    assert (suspect.result()["batch"], other.result()["batch"]) == (1, 1)


def test_a_flood_of_large_pictures_keeps_within_the_memory(
    make_worker: MakeWorker, submit: Submit, facts: dict[str, Any]
) -> None:
    flood = [submit(data=b"good 5+200000000") for _ in range(8)]
    flood += [submit(data=b"harmless good 5+100000000") for _ in range(8)]
    huge = submit(data=b"good 5+900000000")
    with running(make_worker(threads=4)):
        wait_until(lambda: states([*flood, huge]) == ["complete"] * 17)
        wait_until(lambda: facts.get("done") == 17)
    assert 200_000_000 <= facts["most_reserved"]["own"] <= 256_000_000
    # The one that is larger than all the memory was the only one.
    assert 900_000_000 <= facts["most_reserved"]["helpers"] <= 900_001_000


@pytest.mark.slow
def test_deadly_pictures_among_many_good_ones_are_held_and_all_others_complete(
    make_worker: MakeWorker, submit: Submit, queue: DirectoryQueue
) -> None:
    sessions = {name: submit(data=name) for name in (b"crash", b"leave", b"crash again")}
    good = [submit(data=b"good 5") for _ in range(100)]
    good += [submit(data=b"harmless good 5") for _ in range(100)]
    deadly = list(sessions.values())
    with running(make_worker()):
        wait_until(lambda: not len(queue) and not queue.claims(), 60)
    assert states(good) == ["complete"] * 200
    assert sorted(queue.held()) == sorted(session.name for session in deadly)
    assert {session.record()["attempts"] for session in good} == {1}
