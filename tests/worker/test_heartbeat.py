"""Heartbeats of a worker, and what they say while a model is loaded."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from support.helpers import Clock, wait_until

from scai.worker.heartbeat import Heartbeat


def test_a_worker_beats_while_it_loads_and_tells_so() -> None:
    beats, phases = list[int](), list[str]()
    heartbeat = Heartbeat(
        lambda: beats.append(1), tell=lambda phase: phases.append(phase), period=0.01
    )
    with heartbeat.loading():
        wait_until(lambda: len(beats) > 3, what="heartbeats while it loads")
        assert phases == ["loading"]
    count = len(beats)
    assert phases == ["loading", "working"]
    assert not [thread for thread in threading.enumerate() if thread.name == "loading"]
    assert len(beats) == count


def test_a_load_that_hangs_beats_no_more_after_its_time(caplog: pytest.LogCaptureFixture) -> None:
    clock, beats = Clock(0.0), list[int]()
    heartbeat = Heartbeat(lambda: beats.append(1), load_timeout=600, period=0.001, clock=clock)
    with heartbeat.loading():
        wait_until(lambda: len(beats) > 3)
        clock.now = 600.0
        wait_until(lambda: "has been loading for 600 s" in caplog.text)
        count = len(beats)
        threading.Event().wait(0.05)
        assert len(beats) == count


def test_a_disk_that_fails_is_told_once_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[OSError | None] = [OSError("full"), OSError("full"), None, OSError("again")]

    def beat() -> None:
        error = errors.pop(0)
        if error is not None:
            raise error

    def tell(**facts: Any) -> None:
        raise OSError("full")

    heartbeat = Heartbeat(beat, tell=tell)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            heartbeat()
    assert [record.getMessage() for record in caplog.records] == [
        "no heartbeat can be sent: full",
        "no heartbeat can be sent: again",
    ]
    heartbeat.tell(phase="working")
