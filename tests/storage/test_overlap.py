"""Waiting for several flushes at the same time."""

import threading

import pytest

from scai.storage.overlap import at_once


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
