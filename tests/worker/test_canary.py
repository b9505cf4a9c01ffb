"""A worker shows that it recognises pictures, also while nobody sends one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.helpers import KIND, Clock

from scai.models import cards
from scai.pictures.header import DEFAULT_LIMITS
from scai.pictures.pixels import Picture, read_picture
from scai.recognition.loaded_models import ModelCache
from scai.worker.canary import Canary, picture
from workers.image_classification import build


class Cage:
    """A canary with a clock of its own; what it lets be decoded waits until `decode`."""

    def __init__(self, models: ModelCache) -> None:
        self.clock = Clock(100_000.0)
        self.told: list[float] = []
        self.jobs: list[Callable[[], None]] = []
        self.fails = False
        self.canary = Canary(
            models,
            self._read,
            self.jobs.append,
            lambda recognised: self.told.append(recognised),
            20.0,
            self.clock,
        )

    def _read(self, data: bytes, sides: tuple[int, int] | None) -> Picture:
        if self.fails:
            raise MemoryError
        return read_picture(data, DEFAULT_LIMITS, sides)

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        self.canary.turn()

    def decode(self) -> None:
        while self.jobs:
            self.jobs.pop()()


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    return ModelCache(lambda section: build(cards.load_card(fake_models, section, KIND)))


@pytest.fixture
def cage(models: ModelCache) -> Cage:
    models.get()
    return Cage(models)


def test_the_canary_is_a_picture_that_is_read_like_any_other() -> None:
    read = read_picture(picture(), DEFAULT_LIMITS, None)
    assert read.pixels.shape == (64, 64, 3)
    assert (read.pixels[0, 0, 0], read.pixels[63, 63, 2]) == (0, 252)


def test_an_idle_worker_recognises_a_canary_now_and_then(cage: Cage) -> None:
    cage.turn()
    cage.decode()
    cage.turn(1)
    assert cage.told == [100_001.0]
    cage.turn(19)
    assert cage.jobs == []
    cage.turn(1)
    cage.decode()
    cage.turn()
    assert cage.told == [100_001.0, 100_021.0]


def test_a_worker_that_has_photos_needs_no_canary(cage: Cage) -> None:
    for _ in range(100):
        cage.canary.note()
        cage.turn(1)
    assert cage.jobs == []
    # The time is told every few seconds, not for each photo.
    assert cage.told[:3] == [100_000.0, 100_005.0, 100_010.0] and len(cage.told) == 20


def test_a_canary_that_no_thread_decodes_tells_nothing_and_is_the_only_one(cage: Cage) -> None:
    for _ in range(100):
        cage.turn(10)
    assert (cage.told, len(cage.jobs)) == ([], 1)


def test_a_canary_that_cannot_be_decoded_is_followed_by_another(
    cage: Cage, caplog: pytest.LogCaptureFixture
) -> None:
    cage.fails = True
    cage.turn()
    cage.decode()
    cage.turn(1)
    assert cage.told == [] and "the canary was not decoded" in caplog.text
    cage.fails = False
    cage.turn(20)
    cage.decode()
    cage.turn()
    assert cage.told == [100_021.0]


def test_a_model_that_fails_is_told_and_counts_as_nothing(
    cage: Cage, models: ModelCache, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(images: object) -> None:
        raise RuntimeError("no memory")

    models.get().recognize = fail  # type: ignore[method-assign,assignment]
    cage.canary.recognise_now()
    assert cage.told == [] and "the canary was not recognised: no memory" in caplog.text


def test_a_worker_can_recognise_its_first_canary_before_it_begins(cage: Cage) -> None:
    cage.canary.recognise_now()
    assert cage.told == [100_000.0]
