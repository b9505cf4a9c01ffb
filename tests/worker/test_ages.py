"""Ages by the system's clock, whatever is done to it."""

from __future__ import annotations

import pytest
from support.helpers import Clock

from scai.worker.ages import AgeClock

DAY = 86_400.0


@pytest.fixture
def wall() -> Clock:
    return Clock(1_790_000_000.0)


@pytest.fixture
def steady() -> Clock:
    return Clock(5_000.0)


@pytest.fixture
def ages(wall: Clock, steady: Clock) -> AgeClock:
    return AgeClock(wall, steady)


def turn(seconds: float, *clocks: Clock) -> None:
    for clock in clocks:
        clock.now += seconds


def test_an_age_is_the_time_since_then(ages: AgeClock, wall: Clock, steady: Clock) -> None:
    assert ages.age(wall.now - 30) == 30
    assert ages.age(wall.now + 30) == 0
    moment = wall.now
    for _ in range(100):
        turn(60.0, wall, steady)
        wall.now += 0.03  # as a clock is corrected by and by
        ages.look()
    assert ages.age(moment) == pytest.approx(6003)


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_after_a_step_all_ages_begin_anew(
    ages: AgeClock, wall: Clock, steady: Clock, step: float
) -> None:
    moment = wall.now
    turn(30.0, wall, steady)
    wall.now += step
    assert ages.age(moment) == 0
    turn(20.0, wall, steady)
    # Forward, what came before the step is 20 s old; backward, it seems to lie ahead.
    assert ages.age(moment) == (20 if step > 0 else 0)
    assert ages.age(wall.now - 15) == 15
