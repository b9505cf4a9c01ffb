"""A session whose lock is held by a process that has stopped is taken from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scai.errors import NotFound
from scai.jobs.retention import purge
from scai.storage import earlier, takeover
from scai.storage.disk import Disk
from scai.storage.session import Session

Make = Callable[..., Session]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_session_that_was_taken_over_is_the_same_and_its_lock_is_free(
    new_session: Make, sessions: Path
) -> None:
    session = new_session()
    before = contents(session.path)
    with session.lock() as stopped:
        assert stopped is not None
        (session.path / ".process.json.1-2").write_text("a draft")
        assert takeover.renew(session.path, Disk())
        with session.lock() as ours:
            assert ours is not None
    assert contents(session.path) == before
    assert os.listdir(sessions) == [session.name]


@pytest.mark.parametrize("late", ["start", "complete", "fail", "note_work"])
def test_what_the_stopped_one_still_writes_changes_nothing(new_session: Make, late: str) -> None:
    session = new_session()
    session.start(claim="a")
    with session.lock() as stopped:
        assert stopped is not None
        record = stopped.record()
        assert takeover.renew(session.path, Disk())
        with session.lock() as ours:
            assert ours is not None
            ours.complete({"labels": ["ours"]})
        after = contents(session.path)
        with pytest.raises((OSError, NotFound)):
            match late:
                case "start":
                    stopped.start(record, claim="a")
                case "complete":
                    stopped.complete({"labels": ["theirs"]}, picture=b"x", record=record)
                case "fail":
                    stopped.fail(NotFound("x"), record)
                case "note_work":
                    stopped.note_work("a", 5.0)
    assert contents(session.path) == after
    assert session.result()["labels"] == ["ours"]


def test_one_that_stopped_while_it_let_a_session_run_anew_changes_nothing(
    new_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session()
    session.complete({"labels": ["ours"]})
    before = contents(session.path)
    begin_anew = earlier.begin_anew

    def stop_first(*arguments: Any) -> None:
        assert takeover.renew(session.path, Disk())
        begin_anew(*arguments)

    monkeypatch.setattr(earlier, "begin_anew", stop_first)
    with session.lock() as stopped:
        assert stopped is not None
        with pytest.raises((OSError, NotFound)):
            stopped.reopen(0.0)
    assert contents(session.path) == before


def test_a_holder_that_goes_on_at_that_moment_keeps_the_session(
    new_session: Make, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session()
    exchange = takeover._exchange

    def go_on_first(one: Path, other: Path) -> bool:
        monkeypatch.setattr(takeover, "_exchange", exchange)
        stopped.complete({"labels": ["theirs"]})
        return exchange(one, other)

    with session.lock() as stopped:
        assert stopped is not None
        monkeypatch.setattr(takeover, "_exchange", go_on_first)
        assert not takeover.renew(session.path, Disk())
    assert session.result()["labels"] == ["theirs"]
    assert os.listdir(sessions) == [session.name]


def others_after_the_swap(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]) -> None:
    """Let others do `act` to the old directory as soon as the two have swapped their names."""
    exchange = takeover._exchange

    def swap(one: Path, other: Path) -> bool:
        monkeypatch.setattr(takeover, "_exchange", exchange)
        assert exchange(one, other)
        act(one)
        return True

    monkeypatch.setattr(takeover, "_exchange", swap)


def test_a_cleaner_takes_the_old_directory_for_no_debris(
    new_session: Make, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for days, and has the name of an unfinished upload for a moment."""
    session = new_session()
    before = contents(session.path)
    os.utime(session.path, (1000, 1000))
    seen: list[dict[str, bytes]] = []

    def clean(old: Path) -> None:
        purge(sessions, [], keep=10**10)
        seen.append(contents(old))

    others_after_the_swap(monkeypatch, clean)
    assert takeover.renew(session.path, Disk())
    assert seen == [before]
    assert contents(session.path) == before


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "one file"])
def test_a_directory_with_fewer_files_is_never_put_back(
    new_session: Make, sessions: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    session = new_session()
    before = contents(session.path)

    def empty(old: Path) -> None:
        for file in old.iterdir():
            if left != "one file" or file.name != "process.json":
                file.unlink()
        if left == "nothing":
            old.rmdir()

    others_after_the_swap(monkeypatch, empty)
    assert takeover.renew(session.path, Disk())
    assert contents(session.path) == before
    assert os.listdir(sessions) == [session.name]


def test_a_session_that_is_gone_is_not_made_anew(new_session: Make, sessions: Path) -> None:
    session = new_session()
    session.remove()
    with pytest.raises(NotFound):
        takeover.renew(session.path, Disk())
    assert os.listdir(sessions) == []


def test_where_two_folders_cannot_swap_nothing_changes(
    new_session: Make, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session()
    before = contents(session.path)
    monkeypatch.setattr(takeover, "_exchange", lambda one, other: False)
    assert not takeover.renew(session.path, Disk())
    assert contents(session.path) == before
    assert os.listdir(sessions) == [session.name]
