"""The supervisor replaces children that live and do not work, one turn at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.house import WORKER, House

PORTAL = "index.py"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.step()
    yield house
    house.supervisor.close()


def test_a_worker_whose_heartbeats_end_is_replaced(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.beat(WORKER)
    house.pass_time(31)
    assert house.ended == []
    with caplog.at_level(logging.WARNING):
        house.pass_time(3)
        assert house.ended == [WORKER]
        house.pass_time(2)
    assert house.count(WORKER) == 2 and house.count(PORTAL) == 1
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == (
        "image_classification has sent no heartbeat for 31 s (worker_timeout); it is replaced"
    )
    assert said[1:] == ["image_classification ended (exit status 0); started again in 1.0 s"]


def test_a_worker_that_beats_is_left_alone_however_long_it_runs(house: House) -> None:
    for _ in range(30):
        house.beat(WORKER)
        house.pass_time(29)
    assert house.ended == [] and house.count(WORKER) == 1


def test_a_worker_that_ignores_sigterm_or_is_stopped_is_killed(house: House) -> None:
    house.started[WORKER][-1].hangs = True
    house.beat(WORKER)
    house.pass_time(34)
    assert house.ended == [WORKER] and house.started[WORKER][-1].poll() is None
    house.pass_time(8)
    assert house.started[WORKER][0].poll() == -9
    assert house.ended == [WORKER] and house.count(WORKER) == 2


def test_a_worker_has_longer_until_its_first_heartbeat_but_not_for_ever(house: House) -> None:
    house.pass_time(590)
    assert house.count(WORKER) == 1
    house.pass_time(20)
    assert house.ended == [WORKER] and house.count(WORKER) == 2


def test_a_supervisor_that_was_stopped_itself_blames_nobody(house: House) -> None:
    house.beat(WORKER)
    house.pass_time(2)
    house.step(86_400)
    house.pass_time(15)
    assert house.ended == []


def test_a_portal_that_does_not_answer_is_replaced(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.started[PORTAL][-1].hangs = True
    house.pass_time(5)
    house.portal_answers = False
    house.pass_time(29)
    assert house.ended == []
    house.pass_time(10)
    assert house.ended == [PORTAL] and house.count(WORKER) == 1
    assert "portal has not answered for 31 s (portal_timeout); it is replaced" in caplog.text
    house.portal_answers = True
    house.pass_time(60)
    assert house.count(PORTAL) == 2 and house.ended == [PORTAL]


def test_a_portal_that_fails_to_answer_now_and_then_stays(house: House) -> None:
    for _ in range(10):
        house.portal_answers = False
        house.pass_time(20)
        house.portal_answers = True
        house.pass_time(1)
    assert house.ended == []


def test_in_job_mode_a_portal_that_starts_no_workers_any_more_is_replaced(tmp_path: Path) -> None:
    house = House(tmp_path, runningmode="job")
    house.step()
    house.beat(PORTAL)
    house.pass_time(40)
    assert house.ended == [PORTAL] and house.count(PORTAL) == 2
    house.supervisor.close()


def test_a_cleaner_that_hangs_is_replaced(house: House) -> None:
    house.step(600)
    house.beat(WORKER)
    house.step(3601)
    assert house.ended == ["clean.py"]


def test_a_disk_that_hangs_stops_neither_the_supervisor_nor_what_it_does(tmp_path: Path) -> None:
    house = House(tmp_path, aside=lambda act: None)  # nothing is ever answered
    house.step()
    house.pass_time(700)
    assert house.ended == []
    house.die(WORKER)
    house.pass_time(2)
    assert house.count(WORKER) == 2
    house.supervisor.close()
