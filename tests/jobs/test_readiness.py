"""Readiness means that a picture was recognised lately, by kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.helpers import KIND, Clock

from scai.jobs.readiness import Readiness, Ready
from scai.queues.memory import MemoryQueue
from scai.settings import Settings

OTHER = "object_detection"


class Installation:
    """Two kinds whose workers a test announces, and whose clock it turns."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock(5000.0)
        self.wall = Clock(1_790_000_000.0)
        self.queues = {kind: MemoryQueue(kind, self.wall) for kind in (KIND, OTHER)}
        self.writable = True
        self._settings = Settings(ready_within=60, **settings)

    def read(self, **arguments: Any) -> Ready:
        values: dict[str, Any] = {"run": lambda act: act(), **arguments}
        queues: Mapping[str, MemoryQueue] = self.queues
        readiness = Readiness(
            self._settings,
            queues,
            values.pop("writable", lambda: self.writable),
            clock=self.clock,
            wall=self.wall,
            **values,
        )
        return readiness.read()


@pytest.fixture
def installation() -> Installation:
    installation = Installation()
    for queue in installation.queues.values():
        queue.announce(kind=queue.kind, warm=True, recognised=5000.0)
    return installation


def test_it_is_ready_while_each_kind_has_recognised_a_picture_lately(
    installation: Installation,
) -> None:
    installation.clock.now += 30
    installation.queues[OTHER].announce(recognised=5010.0)
    assert installation.read() == Ready(True, [], {KIND: 1, OTHER: 1}, {KIND: 30.0, OTHER: 20.0})


def test_a_kind_without_a_recent_recognition_is_named(installation: Installation) -> None:
    installation.clock.now += 75
    installation.queues[KIND].announce(recognised=5070.0)
    assert installation.read().reasons == [f"{OTHER}: no picture was recognised for 75 s"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "no worker is running"),
        ({"kind": KIND, "warm": False}, "the model is still being loaded"),
        ({"kind": KIND, "warm": True}, "no picture has been recognised yet"),
        ({"warm": True, "recognised": "lately"}, "no picture has been recognised yet"),
        # Announced by the clock of an earlier start of the machine, or of another machine.
        ({"warm": True, "recognised": 999_999.0}, "no picture has been recognised yet"),
    ],
)
def test_the_reason_says_what_is_missing(facts: dict[str, Any], reason: str) -> None:
    installation = Installation()
    installation.queues[OTHER].announce(warm=True, recognised=5000.0)
    if facts:
        installation.queues[KIND].announce(**facts)
    assert installation.read().reasons == [f"{KIND}: {reason}"]


def test_a_step_of_the_wall_clock_changes_nothing(installation: Installation) -> None:
    installation.wall.now += 86_400 * 3
    assert installation.read().reasons == []


def test_a_disk_that_takes_no_file_is_not_ready(installation: Installation) -> None:
    installation.writable = False
    ready = installation.read()
    assert (ready.disk_writable, ready.reasons) == (False, ["no file can be written"])


def test_a_disk_that_hangs_is_answered_all_the_same(installation: Installation) -> None:
    release = threading.Event()

    def hang() -> bool:
        return release.wait(20)

    in_thread: Callable[[Callable[[], None]], None] = lambda act: threading.Thread(  # noqa: E731
        target=act, daemon=True
    ).start()
    ready = installation.read(writable=hang, run=in_thread, patience=0.05)
    release.set()
    assert (ready.disk_writable, ready.reasons[0]) == (False, "the disk does not answer")


def test_in_job_mode_it_is_ready_while_processes_are_started() -> None:
    installation = Installation(runningmode="job")
    missing = "no processes are started for waiting photos"
    assert installation.read().reasons == [f"{KIND}: {missing}", f"{OTHER}: {missing}"]
    for queue in installation.queues.values():
        queue.announce(runner=True)
        queue.beat()
    installation.wall.now += 30
    assert installation.read().reasons == []
    installation.wall.now += 31
    assert installation.read().reasons == [f"{KIND}: {missing}", f"{OTHER}: {missing}"]
