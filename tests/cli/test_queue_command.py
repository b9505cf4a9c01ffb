"""`scai queue`: what a person sees of single jobs, and does with them, on the command line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.damage import Damaged
from support.helpers import KIND
from support.working import Installation

from scai.cli.__main__ import main as scai
from scai.errors import WorkerDied
from scai.queues.directory import DirectoryQueue
from scai.storage.session import Session

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run `scai queue` in an installation."""

    def run(place: Installation, *arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(scai, ["queue", *arguments], env=place.environment)
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "place")


def poison(place: Installation, queue: DirectoryQueue, reason: str) -> Session:
    session = place.session(queue=queue)
    session.fail(WorkerDied(reason))
    [claim] = [one for one in queue.claim(9, 0) if one.job.session == session.name]
    claim.hold(reason)
    return session


def test_a_held_job_is_listed_shown_released_and_done(place: Installation, run: Run) -> None:
    with place.queue() as queue:
        held = poison(place, queue, "the worker died 3 times\x1b[31m")
        waiting = place.session(queue=queue)
        listing = run(place, "ls").output
        assert f"{held.name}  {KIND}  held " in listing
        assert "the worker died 3 times?[31m" in listing
        assert f"{waiting.name}  {KIND}  waiting " in listing
        shown = run(place, "show", held.name).output
        assert "failure, worker_died: the worker died 3 times" in shown
        assert str(held.record()["key"]) not in shown
        assert run(place, "release", held.name).output == f"released {held.name}\n"
        assert held.state == "initialization"
        place.work(queue)
    found = json.loads(run(place, "show", held.name, "--json").output)
    assert (found["standings"], found["attempts"]) == ([], 1)
    assert (found["record"]["state"], found["verdict"]["state"]) == ("complete", "complete")
    assert [verdict["code"] for verdict in found["earlier"]] == ["worker_died"]
    assert not found["record"].keys() & {"key", "claim"}
    assert run(place, "ls").output == "no jobs\n"


def test_the_list_has_the_ages_of_each_standing_like_qshape(place: Installation, run: Run) -> None:
    with place.queue() as queue:
        sessions = [place.session(queue=queue) for _ in range(3)]
        [claim] = queue.claim(1, 0)
        head, waiting, claimed = run(place, "ls").output.splitlines()[:3]
        assert head.split()[:5] == ["age", "up", "to", "all", "1"]
        assert waiting.startswith(f"{KIND}, waiting")
        assert claimed.startswith(f"{KIND}, claimed")
        assert f"by {queue.owner.id}" in run(place, "ls", "--standing", "claimed").output
        entries = json.loads(run(place, "ls", "--json").output)
        assert [entry["standing"] for entry in entries] == ["waiting", "waiting", "claimed"]
        assert {entry["name"] for entry in entries} == {session.name for session in sessions}
        assert all(0 <= entry["age"] < 1000 for entry in entries)
        assert len(json.loads(run(place, "ls", "--limit", "1", "--json").output)) == 2
        assert run(place, "ls", "--kind", "object_detection").output == "no jobs\n"
        claim.give_back()


def test_what_waits_is_held_with_a_reason_and_dropped(place: Installation, run: Run) -> None:
    with place.queue() as queue:
        first, second = place.session(queue=queue), place.session(queue=queue)
        run(place, "hold", first.name, second.name, "--reason", "wait for the new model")
        assert queue.held() == dict.fromkeys([first.name, second.name], "wait for the new model")
        run(place, "drop", first.name)
        run(place, "release", second.name)
        assert not first.path.exists()
        assert list(queue.waiting()) == [second.name]


def test_what_cannot_be_done_is_one_sentence_and_a_status(place: Installation, run: Run) -> None:
    name = "d-20261130-" + "0" * 40
    for command in ("show", "hold", "release", "drop"):
        done = run(place, command, name, code=1)
        assert done.output.count("\n") == 1
        assert done.output.startswith("scai: ")
    assert "scai: no such session" in run(place, "show", "../x", code=1).output


def test_a_check_tells_what_is_wrong_and_a_repair_ends_it(tmp_path: Path, run: Run) -> None:
    broken = Damaged(tmp_path / "place")
    place = broken.place
    # As if everything had come a day ago
    for path in sorted(tmp_path.rglob("*")):
        os.utime(path, (time.time() - 86400,) * 2, follow_symlinks=False)
    lines = run(place, "check", code=1).output.splitlines()
    assert lines[-1] == f"{len(broken.expected)} found"
    assert any(
        line.startswith(broken.names["torn result"]) and "damaged result" in line for line in lines
    )
    found = [json.loads(line) for line in run(place, "check", "--json", code=1).output.splitlines()]
    assert {each["code"] for each in found} == set(broken.expected.values())
    output = run(place, "check", "--repair").output.splitlines()
    assert output[-1] == f"{len(broken.expected)} found, {len(broken.expected)} repaired"
    assert all(line.endswith("; repaired") for line in output[:-1])
    assert run(place, "check").output == "nothing is wrong\n"
    assert run(place, "check", "--repair", "--json").output == ""


def test_what_cannot_be_repaired_is_the_status_of_a_repair(place: Installation, run: Run) -> None:
    session = place.session("face_recognition")
    os.utime(session.path, (0, 0))
    done = run(place, "check", "--repair", code=1)
    assert "not repaired: a person must look at it" in done.output
    assert done.output.endswith("1 found, 0 repaired\n")


def test_looking_makes_no_folder(tmp_path: Path, run: Run) -> None:
    place = Installation(tmp_path / "place")
    for command in ("ls", "check"):
        run(place, command)
    assert not place.pool.exists()
