"""Deadlines, work that is noted, and attempts that a stop takes back, whatever the threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import KIND, Clock, wait_until
from support.watched import Watched, died_while_running

from scai.errors import BadImage, OutOfResources
from scai.models import cards
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.session import Session, Upload
from scai.worker import verdicts
from scai.worker.decoding import PICTURES, Decoder
from scai.worker.pipeline import Worker
from scai.worker.watchdog import TimeLimits
from workers.image_classification import build

Make = Callable[..., Session]
DEADLINE = 120.0


class Gate:
    """Whoever calls it waits until it is opened; `inside` is set while it waits."""

    def __init__(self) -> None:
        self.inside, self._open = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any, **named: Any) -> None:
        self.inside.set()
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    models = ModelCache(
        lambda section: Watched(build(cards.load_card(fake_models, section, KIND)))  # type: ignore[arg-type,return-value]
    )
    models.get()
    return models


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


Begin = Callable[..., Worker]


@pytest.fixture
def begin(
    tmp_path: Path, models: ModelCache, sessions: Path, clock: Clock, gate: Gate
) -> Iterator[Begin]:
    """Starts workers on one pool whose clock is turned by hand, and which nobody looks after.

    With `once`, they claim one time only.
    """
    started: list[tuple[Worker, threading.Thread]] = []

    def begin(once: bool = False, **options: Any) -> Worker:
        queue = DirectoryQueue(tmp_path / "pooling" / KIND, KIND, sweep=0.2)
        worker = Worker(queue, models, sessions, clock=clock, watch_period=3600, **options)
        run = worker.step if once else lambda: worker.run(0.2)
        thread = threading.Thread(target=run)
        thread.start()
        started.append((worker, thread))
        return worker

    yield begin
    gate.open()
    for worker, _ in started:
        worker.stop()
    for worker, thread in started:
        # The watchdog's own thread sleeps for an hour; it ends with the worker.
        thread.join(20)
        worker.close()


def return_claims(queue: DirectoryQueue) -> None:
    """Let all claimed jobs wait again, as others do after the death of their worker or a lease."""
    for claim in (queue.pool / ".claimed").iterdir():
        claim.rename(queue.pool / claim.name.partition("@")[0])


def from_before(sessions: Path, seconds: float) -> Session:
    """A session that came so many seconds ago, with a picture of no bytes."""
    moment = time.time() - seconds
    # Where nothing came later: the names of one folder keep rising.
    elsewhere = sessions.parent / f"from-{seconds}-{time.monotonic_ns()}"
    made = Session.create(elsewhere, KIND, Upload(b"", ".jpg"), now=lambda: moment)
    return Session(sessions, made.path.rename(sessions / made.name).name)


def hang_in_engine(models: ModelCache, gate: Gate) -> None:
    models.get().fail = gate  # type: ignore[attr-defined]


def test_a_job_past_its_deadline_fails_while_the_engine_hangs_in_it(
    begin: Begin, submit: Make, models: ModelCache, gate: Gate, clock: Clock, queue: DirectoryQueue
) -> None:
    hang_in_engine(models, gate)
    session = submit()
    worker = begin(times=TimeLimits(job=DEADLINE))
    assert gate.inside.wait(20)
    clock.now = DEADLINE - 1
    worker.watch()
    assert session.state == "processing"
    clock.now = DEADLINE
    worker.watch()
    result = session.result()
    assert (result["state"], result["code"], result["stage"]) == (
        "failure",
        "deadline",
        "inference",
    )
    assert (result["limit"], result["setting"]) == (DEADLINE, "job_deadline")
    assert queue.claims() == [] and len(queue) == 0
    # The result that comes later changes nothing.
    files = {file.name: file.read_bytes() for file in session.path.iterdir()}
    gate.open()
    other = submit()
    wait_until(lambda: other.state == "complete")
    assert {file.name: file.read_bytes() for file in session.path.iterdir()} == files


def test_decoding_has_the_same_deadline(
    begin: Begin, submit: Make, gate: Gate, clock: Clock
) -> None:
    def decode(*arguments: Any) -> Any:
        gate()
        raise BadImage("too late to matter")

    session = submit()
    worker = begin(times=TimeLimits(job=DEADLINE), decoder=Decoder(decode, PICTURES.look))
    assert gate.inside.wait(20)
    clock.now += DEADLINE
    worker.watch()
    assert session.result()["stage"] == "decoding"


def test_writing_has_the_same_deadline(
    begin: Begin, submit: Make, gate: Gate, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_verdict", lambda task, outcome: gate() or {})
    session = submit()
    worker = begin(times=TimeLimits(job=DEADLINE))
    assert gate.inside.wait(20)
    clock.now += DEADLINE
    worker.watch()
    assert session.result()["stage"] == "writing"


def test_waiting_to_be_decoded_alone_is_no_work(
    submit: Make, models: ModelCache, sessions: Path, queue: DirectoryQueue, clock: Clock
) -> None:
    """Memory was short; the job pauses before it is tried again as a suspect."""

    def decode(*arguments: Any) -> Any:
        raise OutOfResources("no memory", stage="decode")

    def pause(seconds: float) -> None:
        clock.now += 10 * DEADLINE
        worker.watch()

    session = submit()
    worker = Worker(
        queue,
        models,
        sessions,
        clock=clock,
        sleep=pause,
        times=TimeLimits(job=DEADLINE),
        decoder=Decoder(decode, PICTURES.look),
    )
    worker.step()
    worker.close()
    assert session.result()["code"] == "resources"


def test_waiting_for_the_engine_is_no_work(
    begin: Begin, submit: Make, models: ModelCache, gate: Gate, clock: Clock
) -> None:
    hang_in_engine(models, gate)
    first = submit()
    worker = begin(times=TimeLimits(job=DEADLINE), batch=1)
    assert gate.inside.wait(20)
    second = submit()
    wait_until(lambda: second.record()["attempts"] == 1 and worker._ready._ready)
    clock.now += DEADLINE
    worker.watch()
    assert (first.state, second.state) == ("failure", "processing")
    gate.open()
    wait_until(lambda: second.state == "complete")


def test_a_verdict_that_waits_for_room_on_the_disk_has_no_deadline(
    begin: Begin, submit: Make, clock: Clock, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = Session.complete, [True]

    def complete(self: Session, *arguments: Any, **named: Any) -> bool:
        if full:
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **named)

    monkeypatch.setattr(Session, "complete", complete)
    session = submit()
    worker = begin(times=TimeLimits(job=DEADLINE), sleep=lambda seconds: gate())
    assert gate.inside.wait(20)
    clock.now += 100 * DEADLINE
    worker.watch()
    assert session.state == "processing"
    full.clear()
    gate.open()
    wait_until(lambda: session.state == "complete")


def test_the_work_of_earlier_runs_counts(
    begin: Begin, submit: Make, models: ModelCache, gate: Gate, clock: Clock, queue: DirectoryQueue
) -> None:
    hang_in_engine(models, gate)
    session = submit()
    worker = begin(once=True, times=TimeLimits(job=DEADLINE))
    assert gate.inside.wait(20)
    clock.now = 70.0
    worker.watch()
    assert session.record()["worked"] == 70.0
    # The worker dies; the next one begins anew, from 70 s of work on.
    return_claims(queue)
    gate.inside.clear()
    second = begin(times=TimeLimits(job=DEADLINE))
    assert gate.inside.wait(20)
    clock.now += DEADLINE - 70 - 1
    second.watch()
    assert session.state == "processing" and session.record()["attempts"] == 2
    clock.now += 1
    second.watch()
    assert session.result()["code"] == "deadline"


def test_a_job_that_waited_too_long_fails_when_it_is_claimed(
    queue: DirectoryQueue, models: ModelCache, sessions: Path
) -> None:
    def made(age: float) -> Session:
        session = from_before(sessions, age)
        queue.put(Job(session.name, KIND))
        return session

    old, suspect, young = made(100), made(100), made(10)
    died_while_running(suspect, 1)
    worker = Worker(queue, models, sessions, times=TimeLimits(queue=50))
    worker.step()
    worker.close()
    assert (old.result()["code"], old.result()["stage"]) == ("deadline", "waiting")
    assert old.result()["setting"] == "queue_deadline"
    # These were run: they have no pixels.
    assert {s.result()["code"] for s in (suspect, young)} == {"unsupported_format"}
    assert queue.held() == {} and queue.claims() == []


def test_jobs_that_no_worker_gets_to_fail_too(
    begin: Begin,
    submit: Make,
    models: ModelCache,
    gate: Gate,
    clock: Clock,
    sessions: Path,
    queue: DirectoryQueue,
) -> None:
    hang_in_engine(models, gate)
    submit()
    worker = begin(times=TimeLimits(queue=50), batch=1)
    assert gate.inside.wait(20)
    in_hand = [submit() for _ in range(2)]
    wait_until(lambda: len(queue.claims()) == 3)
    young = submit()
    old = from_before(sessions, 100)
    queue.put(Job(old.name, KIND))
    clock.now += 100  # the next look into the queue is due
    worker.watch()
    assert old.result()["code"] == "deadline"
    assert young.state == "initialization" and len(queue) == 1
    gate.open()
    wait_until(lambda: all(s.state == "complete" for s in [*in_hand, young]))


def test_a_stop_takes_back_the_attempts_of_what_is_in_hand_at_once(
    begin: Begin, submit: Make, models: ModelCache, gate: Gate, clock: Clock
) -> None:
    """The worker may be killed before its inference ends: that is no death of the job."""
    hang_in_engine(models, gate)
    session = submit()
    worker = begin()
    assert gate.inside.wait(20)
    clock.now = 2.5
    worker.watch()
    assert session.record()["attempts"] == 1
    worker.stop()
    worker.watch()
    worker.watch()
    record = session.record()
    assert (record["attempts"], record["worked"], record["state"]) == (0, 2.5, "processing")
    # It has the time to end it after all.
    gate.open()
    wait_until(lambda: session.state == "complete")


def test_what_hangs_when_the_worker_is_told_to_stop_keeps_its_attempt(
    begin: Begin, submit: Make, models: ModelCache, gate: Gate, clock: Clock
) -> None:
    hang_in_engine(models, gate)
    session = submit()
    worker = begin(times=TimeLimits(hang=30.0), batch=1)
    assert gate.inside.wait(20)
    behind = submit()
    wait_until(lambda: worker._ready._ready, what="decoded")
    clock.now = 31.0
    worker.stop()
    worker.watch()
    assert session.record()["attempts"] == 1
    assert behind.record()["attempts"] == 0


def test_a_good_photo_survives_any_number_of_stops(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, submit: Make
) -> None:
    """Each worker is stopped while it runs the photo, and killed before the inference ends."""
    session = submit()
    for _ in range(5):
        worker = Worker(queue, models, sessions, max_attempts=3)

        def stop_and_die(tensors: Sequence[np.ndarray], worker: Worker = worker) -> None:
            worker.stop()
            worker.watch()
            raise SystemExit  # as if it ended here: nothing else is written

        models.get().fail = stop_and_die  # type: ignore[attr-defined]
        with pytest.raises(SystemExit):
            worker.step()
        assert session.record()["attempts"] == 0
        return_claims(queue)
        worker.close()
    models.get().fail = lambda tensors: None  # type: ignore[attr-defined]
    worker = Worker(queue, models, sessions, max_attempts=3)
    worker.step()
    worker.close()
    assert session.state == "complete" and queue.held() == {}


def test_a_worker_that_lost_its_claim_finds_the_job_done_and_changes_nothing(
    begin: Begin, submit: Make, models: ModelCache, gate: Gate, queue: DirectoryQueue
) -> None:
    """It stood still for longer than a lease; another worker ran its job meanwhile."""
    hang_in_engine(models, gate)
    session = submit()
    begin(once=True)
    assert gate.inside.wait(20)
    return_claims(queue)
    rung: list[str] = []
    queue.listen_for_ends(rung.append)
    models.get().fail = lambda tensors: None  # type: ignore[attr-defined]
    begin()
    wait_until(lambda: session.state == "complete")
    files = {file.name: file.read_bytes() for file in session.path.iterdir()}
    gate.open()
    last = submit()
    wait_until(lambda: last.state == "complete" and queue.claims() == [])
    assert {file.name: file.read_bytes() for file in session.path.iterdir()} == files
    wait_until(lambda: rung.count(last.name) == 1)
    # One removal: the second worker's. The first one's claim had been renamed away.
    assert rung.count(session.name) == 1


def test_a_worker_that_lost_its_claim_before_the_run_does_not_begin_it(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, submit: Make
) -> None:
    session = submit()
    worker = Worker(queue, models, sessions)
    [claim] = queue.claim(1, 0)
    task = worker._admission.admit(claim)
    assert task is not None
    return_claims(queue)
    before = (session.path / "process.json").read_bytes()
    worker._go(task)
    worker._wait_until_idle()
    assert (session.path / "process.json").read_bytes() == before
    assert len(queue) == 1
    worker.close()


@pytest.mark.slow
def test_a_job_whose_session_is_locked_by_a_stopped_worker_is_run_all_the_same(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, submit: Make
) -> None:
    """It was stopped in the very change. The pauses between the tries are what turns the clock."""
    session = submit()
    clock = Clock(0.0)
    worker = Worker(
        queue, models, sessions, sleep=clock.sleep, clock=clock, times=TimeLimits(lock=30.0)
    )
    with session.lock() as stopped:
        assert stopped is not None
        stopped.start(claim="of the stopped one")
        while clock.now < 29:
            assert worker.step() == 1
            assert session.state == "processing"
        wait_until(lambda: worker.step() and session.state == "complete")
        assert clock.now < 32
    worker.close()
    assert session.record()["attempts"] == 2
