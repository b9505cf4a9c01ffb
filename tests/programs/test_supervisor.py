"""The supervisor, one turn at a time, without a process."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import WORKER, House

from scai.processes import EXIT_CONFIG


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.supervisor.close()


def test_portal_and_workers_start_at_once_and_the_cleaner_after_its_interval(house: House) -> None:
    house.step()
    assert house.started.keys() == {"index.py", WORKER}
    house.step(599)
    assert house.count("clean.py") == 0
    house.step(1)
    assert house.count("clean.py") == 1


def test_there_are_as_many_workers_as_the_settings_say(tmp_path: Path) -> None:
    house = House(tmp_path, ic_workers=3)
    house.step()
    assert house.count(WORKER) == 3
    house.supervisor.close()


def test_in_job_mode_the_portal_starts_the_workers(tmp_path: Path) -> None:
    house = House(tmp_path, runningmode="job")
    house.step()
    assert house.started.keys() == {"index.py"}
    house.supervisor.close()


def test_the_pause_before_a_restart_doubles_up_to_the_longest(house: House, caplog) -> None:
    house.step()
    with caplog.at_level(logging.WARNING):
        for starts, pause in ((1, 1), (2, 2), (3, 3), (4, 3)):
            house.die(WORKER)
            house.step()
            house.step(pause - 0.1)
            assert house.count(WORKER) == starts
            house.step(0.2)
            assert house.count(WORKER) == starts + 1
    name = "image_classification died (killed by SIGKILL); started again in"
    assert [r.getMessage() for r in caplog.records] == [
        f"{name} {pause}.0 s" for pause in (1, 2, 3, 3)
    ]


def test_a_child_that_lived_long_is_restarted_after_the_shortest_pause(house: House) -> None:
    house.step()
    house.die(WORKER)
    house.step()
    house.step(1)
    house.step(60)
    house.die(WORKER)
    house.step()
    house.step(1)
    assert house.count(WORKER) == 3


def test_a_cleaner_that_fails_waits_for_its_interval(house: House) -> None:
    house.step(600)
    house.die("clean.py", 1)
    house.step()
    house.step(599)
    assert house.count("clean.py") == 1
    house.step(1)
    assert house.count("clean.py") == 2


def test_a_child_that_cannot_be_started_is_tried_again(house: House, caplog) -> None:
    house.refuses = True
    house.step()
    house.refuses = False
    house.step(0.9)
    assert house.count(WORKER) == 0
    house.step(0.1)
    assert house.count(WORKER) == 1
    assert "index.py" in house.started
    assert "portal cannot be started now: no memory" in caplog.text


def test_the_portal_ends_first_so_that_nothing_is_accepted_any_more(tmp_path: Path) -> None:
    house = House(tmp_path, ic_workers=2)
    house.step(600)
    house.supervisor.close()
    assert house.ended == ["index.py", WORKER, WORKER, "clean.py"]


def test_a_wrong_setting_is_not_tried_again_while_the_server_starts(house: House, caplog) -> None:
    house.step()
    house.die(WORKER, EXIT_CONFIG)
    house.step()
    assert "image_classification cannot run" in caplog.text
