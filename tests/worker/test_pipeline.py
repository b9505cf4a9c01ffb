"""The worker while it runs: what goes on at the same time, and what never does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import KIND, picture, wait_until
from support.watched import Watched, died_while_running

from scai.models import cards
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.session import Session
from scai.worker.batching import InferenceQueue
from scai.worker.heartbeat import Heartbeat
from scai.worker.pipeline import Worker, WorkerBroken
from scai.worker.task import Task
from workers.image_classification import build

Submit = Callable[..., Session]


class Gate:
    """The engine waits here until it is opened; `inside` is set while it waits."""

    def __init__(self) -> None:
        self.inside, self._open = threading.Event(), threading.Event()

    def __call__(self, tensors: Sequence[np.ndarray]) -> None:
        self.inside.set()
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    models = ModelCache(
        lambda section: Watched(build(cards.load_card(fake_models, section, KIND)))  # type: ignore[arg-type,return-value]
    )
    models.get()
    return models


@pytest.fixture
def engine(models: ModelCache) -> Watched:
    return models.get()  # type: ignore[return-value]


@pytest.fixture
def facts() -> dict[str, Any]:
    return {}


@pytest.fixture
def worker(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, facts: dict[str, Any]
) -> Iterator[Worker]:
    """Not started: `start` does that."""
    worker = Worker(
        queue,
        models,
        sessions,
        batch=4,
        report_period=0.0,
        heartbeat=Heartbeat(lambda: queue.beat(), tell=facts.update, period=0.01),
    )
    yield worker
    worker.stop()
    worker.close()


@pytest.fixture
def start(worker: Worker) -> Iterator[Callable[[], threading.Thread]]:
    threads = []

    def start() -> threading.Thread:
        thread = threading.Thread(target=worker.run, args=(0.2,))
        thread.start()
        threads.append(thread)
        return thread

    yield start
    worker.stop()
    for thread in threads:
        thread.join(20)


@pytest.fixture
def gate(engine: Watched) -> Iterator[Gate]:
    gate = Gate()
    engine.fail = gate
    yield gate
    gate.open()


def complete(sessions: Sequence[Session]) -> bool:
    return all(session.state == "complete" for session in sessions)


def test_the_next_pictures_are_decoded_while_the_engine_runs(
    start: Callable[[], object], submit: Submit, gate: Gate
) -> None:
    first = submit()
    start()
    assert gate.inside.wait(20)
    bad = submit(data=picture()[:300])
    wait_until(lambda: bad.state == "failure", what="decoding beside the engine")
    assert first.state == "processing"


def test_a_batch_gathers_while_the_engine_runs(
    start: Callable[[], object],
    submit: Submit,
    gate: Gate,
    engine: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded = []
    put = InferenceQueue.put

    def note_put(ready: InferenceQueue, task: Task) -> None:
        put(ready, task)
        decoded.append(task)

    monkeypatch.setattr(InferenceQueue, "put", note_put)
    first = submit()
    start()
    assert gate.inside.wait(20)
    others = [submit() for _ in range(3)]
    wait_until(lambda: len(decoded) == 4, what="decoded")
    gate.open()
    wait_until(lambda: complete([first, *others]))
    assert engine.batches == [1, 3]


def test_the_next_batch_runs_while_a_verdict_is_being_written(
    start: Callable[[], object],
    submit: Submit,
    engine: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow, write = submit(), threading.Event()
    real = Session.complete

    def complete_when_told(self: Session, *arguments: Any, **named: Any) -> bool:
        if self.name == slow.name:
            assert write.wait(20)
        return real(self, *arguments, **named)

    monkeypatch.setattr(Session, "complete", complete_when_told)
    try:
        start()
        wait_until(lambda: engine.batches == [1])
        other = submit()
        wait_until(lambda: other.state == "complete")
        assert slow.state == "processing"
    finally:
        write.set()
    wait_until(lambda: slow.state == "complete")


def test_no_more_is_claimed_than_can_be_in_hand(
    start: Callable[[], object], submit: Submit, gate: Gate, queue: DirectoryQueue
) -> None:
    sessions = [submit() for _ in range(20)]
    start()
    wait_until(lambda: len(queue.claims()) == 12, what="three batches of four")
    assert gate.inside.wait(20)
    assert len(queue) == 8
    gate.open()
    wait_until(lambda: complete(sessions))


def test_a_suspect_is_in_the_engine_when_no_other_attempt_is_under_way(
    start: Callable[[], object], submit: Submit, engine: Watched
) -> None:
    suspect = submit(data=picture(color=(0, 0, 0)))
    died_while_running(suspect, 1)
    others = [submit(data=picture(color=(250, 250, 250))) for _ in range(6)]
    beside = []

    def look(tensors: Sequence[np.ndarray]) -> None:
        if any(tensor.mean() < 10 for tensor in tensors):
            under_way = sum(session.state == "processing" for session in others)
            beside.append((len(tensors), under_way))

    engine.fail = look
    start()
    wait_until(lambda: complete([suspect, *others]))
    assert beside == [(1, 0)]


def test_what_was_not_begun_is_given_back_at_the_stop(
    start: Callable[[], threading.Thread],
    submit: Submit,
    gate: Gate,
    worker: Worker,
    queue: DirectoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = submit()
    running = start()
    assert gate.inside.wait(20)
    worker.stop()
    late = submit()
    gate.open()
    running.join(20)
    assert first.state == "complete"
    assert (late.state, len(queue), queue.claims()) == ("initialization", 1, [])


def test_what_waits_for_the_engine_is_given_back_at_the_stop_and_its_attempt_with_it(
    start: Callable[[], threading.Thread],
    submit: Submit,
    gate: Gate,
    worker: Worker,
    queue: DirectoryQueue,
) -> None:
    first = submit()
    running = start()
    assert gate.inside.wait(20)
    others = [submit() for _ in range(6)]
    wait_until(lambda: all(s.state == "processing" for s in others), what="they are begun")
    worker.stop()
    gate.open()
    running.join(20)
    assert first.state == "complete"
    assert [s.record()["attempts"] for s in others] == [0] * 6
    assert (len(queue), queue.claims()) == (6, [])


def test_it_tells_how_its_batches_formed(
    start: Callable[[], object],
    submit: Submit,
    facts: dict[str, Any],
) -> None:
    submit()
    start()
    wait_until(lambda: facts.get("done") == 1)
    assert facts["batch_sizes"] == {"1": 1}
    assert facts["batches_closed"] == {"free": 1}


def test_large_pictures_wait_for_memory_and_all_get_their_verdict(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, submit: Submit
) -> None:
    made = [submit() for _ in range(9)]
    worker = Worker(queue, models, sessions, batch=4, memory=1)  # one picture at a time
    running = threading.Thread(target=worker.run, args=(0.2,))
    running.start()
    try:
        # Each is decoded only after the memory of the one before was released.
        wait_until(lambda: complete(made))
    finally:
        worker.stop()
        running.join(20)
        worker.close()


def test_the_loop_that_runs_the_engine_beats_and_no_other_thread_does(
    start: Callable[[], object],
    submit: Submit,
    gate: Gate,
    queue: DirectoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beats: list[str] = []
    monkeypatch.setattr(queue, "beat", lambda: beats.append(threading.current_thread().name))
    start()
    wait_until(lambda: len(beats) > 3, what="heartbeats of an idle engine")
    assert set(beats) == {"engine"}
    first = submit()
    assert gate.inside.wait(20)
    while_it_hangs = len(beats)
    bad = submit(data=picture()[:300])
    wait_until(lambda: bad.state == "failure", what="decoding beside the engine")
    assert len(beats) == while_it_hangs
    gate.open()
    wait_until(lambda: complete([first]) and len(beats) > while_it_hangs)


@pytest.mark.parametrize("pool", ["_preparation._threads", "_writers"])
def test_a_worker_that_can_start_no_thread_ends_and_says_so(
    worker: Worker, submit: Submit, caplog: pytest.LogCaptureFixture, pool: str
) -> None:
    def submit_nothing(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    attrgetter(pool)(worker).submit = submit_nothing
    submit()
    with pytest.raises(WorkerBroken):
        worker.run(0.2)
    assert 'ended by RuntimeError("can\'t start new thread"); this worker ends' in caplog.text
    worker.close()  # waits for nothing


@pytest.mark.parametrize(("name", "method"), [("decode", "_here_or_there"), ("write", "_finish")])
def test_a_worker_ends_with_any_of_its_threads(
    worker: Worker, submit: Submit, caplog: pytest.LogCaptureFixture, name: str, method: str
) -> None:
    def fail(*arguments: object) -> None:
        raise SystemError("a bug")

    part = worker if name == "write" else worker._preparation
    setattr(part, method, fail)
    submit()
    with pytest.raises(WorkerBroken):
        worker.run(0.2)
    assert f"thread {name}_0 ended by SystemError('a bug'); this worker ends" in caplog.text


def test_a_disk_that_takes_no_heartbeat_stops_nothing(
    start: Callable[[], object],
    submit: Submit,
    queue: DirectoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(queue, "beat", fail)
    session = submit()
    start()
    wait_until(lambda: complete([session]))


def test_a_session_that_is_removed_while_it_runs_ends_with_its_ticket(
    worker: Worker, submit: Submit, engine: Watched, queue: DirectoryQueue
) -> None:
    session = submit()
    engine.fail = lambda tensors: shutil.rmtree(session.path)
    worker.step()
    assert (len(queue), queue.claims(), session.path.exists()) == (0, [], False)
