"""A budget of bytes: nobody gets more than there is, and all comes back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.helpers import open_below

from scai.storage.memory_budget import MemoryBudget
from scai.storage.upload_spool import IN_MEMORY, Spool


def test_a_budget_gives_what_there_is_and_takes_it_back() -> None:
    budget = MemoryBudget(10)
    assert budget.acquire(6) and budget.acquire(4) and not budget.acquire(1)
    budget.release(3)
    assert budget.held == 7 and not budget.acquire(4) and budget.acquire(3)
    budget.release_all()
    assert budget.held == 0


def test_a_part_of_a_budget_holds_neither_more_than_itself_nor_than_the_whole() -> None:
    whole = MemoryBudget(10)
    first, second = MemoryBudget(6, whole), MemoryBudget(6, whole)
    assert first.acquire(6) and not first.acquire(1)
    assert second.acquire(4) and not second.acquire(1)
    assert (first.held, second.held, whole.held) == (6, 4, 10)
    first.release_all()
    assert second.acquire(2) and whole.held == 6


def test_many_threads_never_hold_more_than_the_limit() -> None:
    budget = MemoryBudget(100)
    most: list[int] = []

    def hold_and_release() -> None:
        for _ in range(500):
            if budget.acquire(30):
                most.append(budget.held)
                budget.release(30)

    threads = [threading.Thread(target=hold_and_release) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.held == 0 and 0 < max(most) <= 100


@pytest.mark.parametrize("room, in_memory", [(1000, True), (999, False), (0, False)])
def test_a_picture_that_finds_no_room_lies_on_the_disk(
    tmp_path: Path, room: int, in_memory: bool
) -> None:
    budget = MemoryBudget(room)
    with Spool(tmp_path, 5000, memory=budget) as spool:
        for piece in (b"a" * 400, b"b" * 300, b"c" * 300):
            spool.write(piece)
        spool.finish()
        picture = spool.picture
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        assert data == b"a" * 400 + b"b" * 300 + b"c" * 300
        assert isinstance(picture, bytes) == in_memory
        assert budget.held == (1000 if in_memory else 0)
        assert open_below(tmp_path) == []
    assert budget.held == 0 and list(tmp_path.iterdir()) == []


def test_a_large_or_dropped_picture_gives_its_memory_back_at_once(tmp_path: Path) -> None:
    budget = MemoryBudget(10 * IN_MEMORY)
    with Spool(tmp_path, 2 * IN_MEMORY, memory=budget) as spool:
        spool.write(b"x" * IN_MEMORY)
        assert budget.held == IN_MEMORY
        spool.write(b"x")
        assert budget.held == 0 and isinstance(spool.picture, Path)
    with Spool(tmp_path, 10, memory=budget) as spool:
        spool.write(b"x" * 10)
        spool.write(b"x")
        assert spool.too_large and budget.held == 0
