"""Things that do not belong into a queue's folders stop neither a kind nor readiness."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.helpers import KIND
from support.inprocess import Site
from support.queueing import claim_sessions, names, put

from scai.cli.status import main as status_command
from scai.jobs.service import JobService
from scai.queues.directory import DirectoryQueue
from scai.storage.clocks import boot_time
from scai.web.app import create_app

SESSION = "d-20261130-" + "0" * 40
# Names that no claim has, and names whose file is none.
STRANGE = [
    "@x",
    "..@x",
    ".@x",
    "README",
    "@",
    "+",
    "x" * 200,
    "d-２０２６１１３０-" + "0" * 40 + "@x",
]
MAKERS: dict[str, Callable[[Path], object]] = {
    "file": Path.touch,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("/nonexistent"),
}
# What a file of facts may hold.
FACTS = [
    "[]",
    '"text"',
    "{",
    "[" * 100_000,
    '{"warm": [1], "pid": "x", "started": {}, "model": 5, "loaded": 3, "measured": "no"}',
    '{"warm": true, "batch_sizes": 7, "batches_closed": [1], "done": "many", "engine": null}',
    '{"batch_sizes": {"x": 1, "2": "y", "3": 0}, "kind": 9, "plan": {}, "batch": 1e308}',
    json.dumps({"model": "\ud800", "pid": 10**30}),
]


@pytest.mark.parametrize("what", MAKERS)
@pytest.mark.parametrize("name", STRANGE)
def test_a_stray_among_the_claims_is_left_and_stops_nobody(
    queue: DirectoryQueue, name: str, what: str
) -> None:
    stray = queue.pool / ".claimed" / name
    MAKERS[what](stray)
    [session] = names(1)
    put(queue, session)
    assert queue.recover() == 0
    assert claim_sessions(queue) == [session]
    assert sorted(queue.claimed()) == [session]
    queue.close()
    assert os.path.lexists(stray)


@pytest.mark.parametrize("what", MAKERS)
def test_a_claim_of_nobody_that_cannot_wait_again_stops_no_other(
    queue: DirectoryQueue, what: str
) -> None:
    # Given a claim that is no file, whose ticket is there as well
    MAKERS[what](queue.pool / ".claimed" / f"{SESSION}@x+1")
    (queue.pool / SESSION).mkdir()
    (queue.pool / SESSION / "file").touch()
    [session] = names(1)
    (queue.pool / ".claimed" / f"{session}@x+2").touch()
    queue.recover()
    assert session in claim_sessions(queue)


@pytest.mark.parametrize("what", MAKERS)
@pytest.mark.parametrize(
    "name", [".lock", "x.lock", "@+.lock", "x.json", "x.beat", ".beat", "a+b.beat"]
)
def test_a_stray_among_the_owners_stops_nobody(queue: DirectoryQueue, name: str, what: str) -> None:
    MAKERS[what](queue.pool / ".owners" / name)
    queue.announce(warm=True)
    [session] = names(1)
    put(queue, session)
    queue.recover()
    assert claim_sessions(queue) == [session]
    assert queue.owner.id in [worker["id"] for worker in queue.workers()]


@pytest.mark.parametrize("what", MAKERS)
def test_a_stray_in_the_place_of_a_hold_keeps_no_job_from_being_held(
    queue: DirectoryQueue, what: str
) -> None:
    [session] = names(1)
    put(queue, session)
    MAKERS[what](queue.pool / ".hold" / session)
    assert len(queue.held_sessions()) == 1
    [claim] = queue.claim(1, 0)
    claim.hold("no such session")
    assert queue.held() == {session: "no such session"}
    queue.drop_hold(session)
    assert queue.held() == {}


@contextmanager
def owner(pool: Path, name: str, facts: str) -> Iterator[None]:
    """An owner that lives and has written these facts; "|" makes a pipe of its file."""
    if facts == "|":
        os.mkfifo(pool / ".owners" / f"{name}.json")
    else:
        (pool / ".owners" / f"{name}.json").write_text(facts)
    with (pool / ".owners" / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("facts", [*FACTS, "|"], ids=range(len(FACTS) + 1))
def test_an_owner_with_wrong_facts_stops_neither_readiness_nor_pages(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: str
) -> None:
    pools = {"icpoolpath": tmp_path / "ic", "odpoolpath": tmp_path / "od"}
    settings = replace(site.settings, **pools)
    queues = {kind: DirectoryQueue(settings.pool(kind), kind) for kind in settings.kinds}
    for one in queues.values():
        one.announce(kind=one.kind, warm=True, recognised=boot_time())
    http = create_app(JobService(settings, queues), settings).test_client()
    try:
        with owner(settings.pool(KIND), "x", facts):
            for path in ("/readyz", "/status", "/status.json", "/models", "/models.json", "/"):
                assert http.get(path).status_code == 200, path
            for name, value in pools.items():
                monkeypatch.setenv(f"SCAI_{name.upper()}", str(value))
            for options in ([], ["--json"]):
                outcome = CliRunner().invoke(status_command, options)
                assert outcome.exit_code == 0, outcome.output
    finally:
        for one in queues.values():
            one.close()
