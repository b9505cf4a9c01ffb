"""How often something costly is read again."""

from __future__ import annotations

import threading

import pytest
from support.helpers import Clock

from scai.storage.pace import Pace, Reading


def read(pace: Pace, clock: Clock, cost: float) -> None:
    with pace.reading():
        clock.now += cost


@pytest.mark.parametrize(
    ("least", "cost", "times", "rest"),
    [
        (1.0, 0.0, 100, 1.0),
        (1.0, 0.5, 100, 50.0),
        (0.0, 0.5, 100, 50.0),
        (1.0, 0.5, 0, 1.0),  # whatever it costs
    ],
)
def test_a_reading_rests_the_longer_the_longer_it_took(
    least: float, cost: float, times: float, rest: float
) -> None:
    clock = Clock(0.0)
    pace = Pace(least, clock, times)
    assert pace.due
    read(pace, clock, cost)
    clock.now += rest - 0.125
    assert not pace.due and pace.age == rest - 0.125
    clock.now += 0.125
    assert pace.due


def test_a_reading_that_fails_does_not_count() -> None:
    clock = Clock(0.0)
    pace = Pace(1.0, clock)
    with pytest.raises(OSError):
        with pace.reading():
            raise OSError
    assert pace.due


def test_a_value_is_read_once_for_all_who_ask_and_sooner_when_asked_to() -> None:
    clock, readings = Clock(0.0), [0]

    def count() -> int:
        clock.now += 0.5
        readings[0] += 1
        return readings[0]

    value = Reading(count, 0, least=1.0, clock=clock)
    assert [value.value() for _ in range(3)] == [1, 1, 1]
    clock.now += 10
    assert value.value() == 1
    assert value.value(soon=True) == 2
    assert value.value(soon=True) == 2
    clock.now += 50
    assert value.value() == 3


def test_those_who_come_while_one_reads_get_the_old_value() -> None:
    reading, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        reading.set()
        assert go_on.wait(10)
        return "new"

    value = Reading(slow, "old")
    reader = threading.Thread(target=value.value)
    reader.start()
    assert reading.wait(10)
    assert value.value() == "old"
    go_on.set()
    reader.join()
    assert value.value() == "new"
