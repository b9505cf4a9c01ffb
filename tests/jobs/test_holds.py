"""Jobs that a person holds, releases and drops, also when the process dies in the middle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helpers import KIND
from support.killing import at_each_change
from support.working import Installation

from scai.errors import BadRequest, BadSession, InUse, NotFound, WorkerDied
from scai.jobs.holds import BY_HAND, Holds
from scai.queues.directory import DirectoryQueue
from scai.storage import earlier
from scai.storage.disk import Disk
from scai.storage.session import Session


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "place")


@pytest.fixture
def pool(place: Installation) -> Iterator[DirectoryQueue]:
    with place.queue() as queue:
        yield queue


@pytest.fixture
def rung() -> list[str]:
    return []


@pytest.fixture
def holds(place: Installation, pool: DirectoryQueue, rung: list[str]) -> Holds:
    return Holds(
        place.root, {KIND: pool}, disk=Disk("off"), ring=rung.append, clock=lambda: 1_800_000_000.0
    )


def given_up(place: Installation, queue: DirectoryQueue, reason: str = "it died thrice") -> Session:
    """A session of which workers died: failed, and on hold."""
    session = place.session(queue=queue)
    session.start()
    session.fail(WorkerDied(reason))
    claim = queue.claim_one(session.name)
    assert claim is not None
    claim.hold(reason)
    return session


def files(session: Session) -> list[str]:
    return sorted(file.name for file in session.path.iterdir())


def test_a_released_job_runs_anew_and_gets_one_new_verdict(
    place: Installation, pool: DirectoryQueue, holds: Holds, rung: list[str]
) -> None:
    session = given_up(place, pool)
    key = str(session.record()["key"])
    holds.release(session.name)
    # For whoever looks, it waits like a new one
    assert session.result()["state"] == "initialization"
    assert "error" not in session.result()
    assert (len(pool), pool.held(), rung) == (1, {}, [session.name])
    record = session.record()
    assert (record["attempts"], record["key"], record["created"]) == (0, key, 1_800_000_000.0)
    place.work(pool)
    assert session.result()["state"] == "complete"
    assert session.record()["attempts"] == 1
    assert (len(pool), pool.claimed(), pool.held()) == (0, {}, {})
    # The verdict that it had is beside it
    assert files(session) == ["input.jpg", "process.json", "result-1.json", "result.json"]
    assert [one["code"] for one in earlier.read(session.path)] == ["worker_died"]


def test_each_release_keeps_one_more_verdict(
    place: Installation, pool: DirectoryQueue, holds: Holds
) -> None:
    session = given_up(place, pool, "first")
    for reason in ("second", "third"):
        holds.release(session.name)
        [claim] = pool.claim(1, 0)
        session.fail(WorkerDied(reason))
        claim.hold(reason)
    assert [one["error"] for one in earlier.read(session.path)] == ["first", "second"]
    assert session.result()["error"] == "third"


def test_a_release_that_dies_at_any_point_leaves_a_job_that_is_held_or_waits(
    place: Installation, pool: DirectoryQueue, holds: Holds, tmp_path: Path
) -> None:
    session = given_up(place, pool)
    shutil.copytree(place.root.parent, tmp_path / "before")

    def look(change: int) -> None:
        state, held, waits = session.state, pool.held(), pool.waits(session.name)
        assert bool(held) != waits, change
        assert state in ("failure", "initialization")
        assert session.result()["state"] == state
        if state == "failure":
            assert session.result()["error"] == "it died thrice"
            assert held
        # The same command again ends the matter, and one run gives one verdict
        if held:
            holds.release(session.name)
        place.work(pool)
        assert session.state == "complete"
        assert [one["error"] for one in earlier.read(session.path)] == ["it died thrice"]
        assert (len(pool), pool.held()) == (0, {})
        shutil.rmtree(place.root.parent)
        shutil.copytree(tmp_path / "before", place.root.parent)

    assert at_each_change(lambda: holds.release(session.name), look) > 4


def test_holding_and_dropping_may_die_at_any_point_too(
    place: Installation, pool: DirectoryQueue, holds: Holds, tmp_path: Path
) -> None:
    session = place.session(queue=pool)
    shutil.copytree(place.root.parent, tmp_path / "before")

    def again() -> None:
        shutil.rmtree(place.root.parent)
        shutil.copytree(tmp_path / "before", place.root.parent)

    def look_at_hold(change: int) -> None:
        pool.close()  # the process is dead: its claims wait again
        pool.recover()
        if pool.waits(session.name):
            holds.hold(session.name)
        assert set(pool.held()) == {session.name}
        assert not pool.has(session.name)
        again()

    def look_at_drop(change: int) -> None:
        for _ in range(2):
            try:
                holds.drop(session.name)
            except NotFound:
                pass
        assert not pool.has(session.name)
        again()

    at_each_change(lambda: holds.hold(session.name), look_at_hold)
    at_each_change(lambda: holds.drop(session.name), look_at_drop)


def test_what_waits_can_be_held_and_released_without_a_trace(
    place: Installation, pool: DirectoryQueue, holds: Holds
) -> None:
    session = place.session(queue=pool)
    holds.hold(session.name)
    assert pool.held() == {session.name: BY_HAND}
    holds.hold(session.name, "its sender asked for it")
    assert pool.held() == {session.name: "its sender asked for it"}
    place.work(pool)
    assert session.state == "initialization"
    holds.release(session.name)
    place.work(pool)
    assert session.state == "complete"
    assert files(session) == ["input.jpg", "process.json", "result.json"]


def test_a_job_that_nobody_knows_of_can_be_held(
    place: Installation, pool: DirectoryQueue, holds: Holds
) -> None:
    session = place.session()
    holds.hold(session.name)
    assert pool.held() == {session.name: BY_HAND}


def test_what_is_held_or_waits_can_be_dropped(
    place: Installation, pool: DirectoryQueue, holds: Holds, rung: list[str]
) -> None:
    held, waiting, gone = given_up(place, pool), place.session(queue=pool), given_up(place, pool)
    shutil.rmtree(gone.path)
    for session in (held, waiting, gone):
        holds.drop(session.name)
        assert not session.path.exists()
    assert (len(pool), pool.held()) == (0, {})
    assert rung == [held.name, waiting.name, gone.name]


def test_what_makes_no_sense_is_refused_with_a_sentence(
    place: Installation, pool: DirectoryQueue, holds: Holds
) -> None:
    nobody = "d-20261130-" + "0" * 40
    done, waiting = place.session(queue=pool), None
    place.work(pool)
    waiting = place.session(queue=pool)
    for act, error in (
        (lambda: holds.hold(nobody), NotFound),
        (lambda: holds.release("../../etc"), NotFound),
        (lambda: holds.release(waiting.name), NotFound),
        (lambda: holds.hold(done.name), BadRequest),
        (lambda: holds.drop(done.name), NotFound),
    ):
        with pytest.raises(error):
            act()
    [claim] = pool.claim(1, 0)
    for act in (lambda: holds.hold(waiting.name), lambda: holds.drop(waiting.name)):
        with pytest.raises(InUse):
            act()
    claim.done()


def test_a_job_is_not_released_while_somebody_works_on_it_or_its_record_is_lost(
    place: Installation, pool: DirectoryQueue, holds: Holds
) -> None:
    busy, lost, missing = (given_up(place, pool) for _ in range(3))
    pool.place(busy.name)
    [claim] = pool.claim(1, 0)
    with pytest.raises(InUse):
        holds.release(busy.name)
    claim.done()
    (lost.path / "process.json").write_text(json.dumps({"state": "failure"}))
    with pytest.raises(BadSession, match="drop it instead"):
        holds.release(lost.name)
    shutil.rmtree(missing.path)
    with pytest.raises(NotFound):
        holds.release(missing.name)
    assert set(pool.held()) == {busy.name, lost.name, missing.name}
