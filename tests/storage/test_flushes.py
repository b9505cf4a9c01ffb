"""Several flushes at the same time, and one for all who wait for it."""

import os
import threading
from pathlib import Path

import pytest
from support.helpers import wait_until

from scai.storage.flushes import GroupCommit, at_once


def test_what_is_done_at_once_overlaps() -> None:
    meeting = threading.Barrier(3)
    at_once(*[lambda: meeting.wait(10) and None] * 3)
    assert not meeting.broken


def test_more_than_the_helpers_can_take_is_done_all_the_same() -> None:
    done: list[int] = []
    at_once(*[lambda n=n: done.append(n) for n in range(20)])  # type: ignore[misc]
    assert sorted(done) == list(range(20))


def test_a_failure_is_raised_after_all_have_ended_and_harms_no_later_one() -> None:
    done: list[str] = []

    def refuse() -> None:
        raise OSError(28, "No space left on device")

    for _ in range(5):
        with pytest.raises(OSError, match="No space"):
            at_once(refuse, lambda: done.append("second"), refuse, lambda: done.append("last"))
    assert done.count("second") == done.count("last") == 5


def test_concurrent_flushes_of_one_directory_share_and_each_begins_after_its_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a slow disk on which the first flush is held up
    began, may_end, count = threading.Event(), threading.Event(), []
    real = os.fsync

    def slow(descriptor: int) -> None:
        count.append(1)
        began.set()
        may_end.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    group = GroupCommit()
    first = threading.Thread(target=group.flush, args=(tmp_path,))
    first.start()
    assert began.wait(10)
    # When twenty more ask while it runs
    others = [threading.Thread(target=group.flush, args=(tmp_path,)) for _ in range(20)]
    for thread in others:
        thread.start()
    wait_until(lambda: group.callers(tmp_path) == 21, 10)
    may_end.set()
    for thread in [first, *others]:
        thread.join(10)
    # Then one more flush served them all: not the running one, which began too early
    assert len(count) == 2


def test_everybody_who_shared_a_failed_flush_gets_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, errors = threading.Event(), threading.Event(), []

    def failing(descriptor: int) -> None:
        began.set()
        may_end.wait(10)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    group = GroupCommit()

    def ask() -> None:
        try:
            group.flush(tmp_path)
        except OSError as error:
            errors.append(error.errno)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert began.wait(10)
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert errors == [5] * 5
