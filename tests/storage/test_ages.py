"""A clock that is set makes no file older, and no name earlier."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from scai.storage.ages import Ages, Look, read
from scai.storage.rising import RisingTimes
from scai.storage.session import new_name

DAY = 86_400.0
NOW = 1_790_000_000.0


class World:
    """True time, and a clock that a test sets; `files` are the two times of each file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.true = 0.0
        self.ahead = NOW
        self.booted, self.boots = -500.0, 1
        self.files: list[tuple[float, float]] = []

    def pass_time(self, seconds: float, step: float = 0.0) -> None:
        self.true += seconds
        self.ahead += step

    def restart(self) -> None:
        self.booted = self.true
        self.boots += 1

    def make_file(self) -> None:
        self.files.append((self.true, self.true + self.ahead))

    def look(self) -> Ages:
        look = Look(self.true + self.ahead, self.true - self.booted, f"run {self.boots}")
        return read(self.folder, look=lambda: look)

    def ages(self) -> list[tuple[float, float]]:
        """The true age of each file, and that which a look says."""
        ages = self.look()
        return [(self.true - made, ages.of(time)) for made, time in self.files]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.look()
    return world


@pytest.mark.parametrize("days", [3, 1, -1, -3, 3650])
def test_a_step_of_the_clock_is_no_age(world: World, days: int) -> None:
    world.make_file()
    world.pass_time(600, days * DAY)
    [(true, age)] = world.ages()
    assert true == 600 and age <= true
    if days > 0:
        assert age == true
    # What comes after the step gets older as before.
    world.make_file()
    world.pass_time(7000)
    assert world.ages()[1] == (7000, pytest.approx(7000))
    # And what was there before it is not kept for ever.
    world.pass_time(4000 * DAY)
    assert min(age for _, age in world.ages()) > 30 * DAY


def test_a_clock_that_goes_there_and_back_leaves_ages_as_they_are(world: World) -> None:
    world.make_file()
    world.pass_time(3600, DAY)
    world.look()
    world.make_file()
    world.pass_time(3600, -DAY)
    world.look()
    world.make_file()
    world.pass_time(10)
    assert world.ages() == [
        (7210, pytest.approx(7210)),
        (3610, pytest.approx(3610)),
        (10, pytest.approx(10)),
    ]


def test_a_clock_that_drifts_or_is_set_a_little_is_believed(world: World) -> None:
    world.make_file()
    for _ in range(1000):
        world.pass_time(600, random.Random(1).uniform(-5, 5))
        world.look()
    assert len(json.loads((world.folder / ".clock").read_text())["spans"]) == 1


@pytest.mark.parametrize("seed", range(20))
def test_nothing_ever_looks_older_than_it_is(tmp_path: Path, seed: int) -> None:
    chance, world = random.Random(seed), World(tmp_path)
    world.look()
    for _ in range(60):
        step = chance.choice([0, 0, 0, 1, -1, 2, 30, -30]) * DAY * chance.random()
        if abs(step) < 60:
            step = 0.0
        # Somewhere between two looks, with files before the step and after it.
        world.make_file()
        world.pass_time(chance.random() * 3000, step)
        world.make_file()
        world.pass_time(chance.random() * 3000)
        assert all(age <= true + 0.01 for true, age in world.ages())


def test_after_a_restart_of_the_machine_the_clock_is_believed_unless_it_went_back(
    world: World,
) -> None:
    world.make_file()
    world.pass_time(3 * DAY)
    world.restart()
    assert world.ages() == [(3 * DAY, 3 * DAY)]
    world.pass_time(60, -400 * DAY)
    world.restart()
    world.make_file()
    world.look()
    # Set right again by the network.
    world.pass_time(60, 400 * DAY)
    assert all(age <= true for true, age in world.ages())
    assert world.ages()[1][1] == pytest.approx(60)


@pytest.mark.parametrize(
    "notes", ["", "[]", "{", '{"wall": "x"}', '{"wall": 1, "boot": 1, "id": "", "spans": [[1]]}']
)
def test_notes_that_cannot_be_read_are_written_anew(tmp_path: Path, notes: str) -> None:
    (tmp_path / ".clock").write_text(notes)
    assert read(tmp_path, look=lambda: Look(NOW, 1.0, "x")) == Ages(NOW)
    assert json.loads((tmp_path / ".clock").read_text())["wall"] == NOW


def test_a_look_that_keeps_nothing_writes_nothing(tmp_path: Path) -> None:
    read(tmp_path, keep=False)
    assert list(tmp_path.iterdir()) == []


def test_without_notes_the_clock_is_believed() -> None:
    assert Ages(NOW).of(NOW - 5) == 5 and Ages(NOW).true(5.0) == 5


def test_names_rise_though_the_clock_goes_back(tmp_path: Path) -> None:
    times = RisingTimes()
    clock = [NOW, NOW + 0.001, NOW - DAY, NOW - DAY, NOW - DAY + 5, NOW + 0.002, NOW + 60]
    names = [new_name(times.next(tmp_path, now)) for now in clock]
    assert names == sorted(names) and len({name[:23] for name in names}) == len(names)
    assert names[0] == new_name(NOW)[:23] + names[0][23:]
    assert names[-1][:23] == new_name(NOW + 60)[:23]


def test_names_rise_over_a_restart_too(tmp_path: Path) -> None:
    newest = new_name(NOW + DAY)
    for name in (new_name(NOW), newest, f"b{new_name(NOW + DAY / 2)[1:]}"):
        (tmp_path / name).mkdir()
    assert new_name(RisingTimes().next(tmp_path, NOW)) > newest


def test_names_of_foreign_clients_without_a_time_push_nobody_into_the_future(
    tmp_path: Path,
) -> None:
    (tmp_path / f"d-20991231-{'f' * 40}").mkdir()
    (tmp_path / new_name(NOW + 4000 * DAY)).mkdir()
    (tmp_path / "notes").mkdir()
    assert RisingTimes().next(tmp_path, NOW) == pytest.approx(NOW, abs=0.001)
    assert RisingTimes().next(tmp_path / "missing", NOW) == pytest.approx(NOW, abs=0.001)
