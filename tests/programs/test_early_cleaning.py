"""The cleaner runs first, and before its time, when the disk is short of room."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helpers import KIND, Clock
from support.house import WORKER, House

from scai.jobs.amounts import Amounts
from scai.programs.early_cleaning import EarlyCleaning, is_short
from scai.queues.memory import MemoryQueue
from scai.settings import Settings
from scai.storage.space import Room, Space


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.supervisor.close()


def test_on_a_full_disk_the_cleaner_starts_first_and_alone(house: House) -> None:
    house.is_short = True
    house.step()
    assert house.started.keys() == {"clean.py"}
    house.step(30)
    assert house.started.keys() == {"clean.py"}
    house.die("clean.py", 0)
    house.step()
    house.step()
    assert house.count("index.py") == house.count(WORKER) == 1


def test_nothing_waits_for_ever_for_the_first_cleaning(house: House) -> None:
    house.is_short = True
    house.step()
    house.step(60)
    assert house.count("index.py") == house.count(WORKER) == 1


def test_nothing_waits_for_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    house = House(tmp_path, aside=lambda act: None)
    house.step()
    assert not house.started
    house.step(2)
    assert house.started.keys() == {"index.py", WORKER}
    house.supervisor.close()


def test_a_short_disk_calls_the_cleaner_early_again_and_again_ever_more_seldom(
    house: House,
) -> None:
    house.step()
    house.step(100)
    assert house.count("clean.py") == 0
    house.is_short = True
    house.step(2)
    for number, pause in enumerate((10, 20, 40, 80), start=1):
        assert house.count("clean.py") == number
        house.die("clean.py", 0)
        house.step()
        house.step(pause - 1)
        assert house.count("clean.py") == number
        house.step(1)
    # Once there was room, the next shortage is met as fast as the first one.
    house.die("clean.py", 0)
    house.is_short = False
    house.step()
    house.step(200)
    assert house.count("clean.py") == 5
    house.is_short = True
    house.step(2)
    assert house.count("clean.py") == 6


def test_a_look_that_fails_calls_nobody() -> None:
    clock = Clock(0.0)

    def fail() -> bool:
        raise OSError(5, "Input/output error")

    early = EarlyCleaning(fail, 600, clock=clock, run=lambda act: act())
    assert not early.due
    clock.now += 3
    assert not early.due and not early.comes_first


def test_short_is_a_little_above_the_floor_at_which_uploads_stop(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), min_free_mb=100.0, min_free_inodes=1000)
    queues = {KIND: MemoryQueue(KIND)}
    total = Room(1e12, 1e9)

    def short(free: Room) -> bool:
        return is_short(Amounts(settings, queues, free=lambda folder: Space(free, total)))()

    assert short(Room(140e6, 1e6)) and short(Room(1e9, 1400))
    assert not short(Room(160e6, 1600))
