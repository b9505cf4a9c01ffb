"""What lies about in the folders of a directory queue is found, and put out of the way once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.queueing import names, put

from scai.queues.directory import DirectoryQueue
from scai.storage.disk import Disk

SESSION = "d-20261130-" + "0" * 40
DAY = 86400.0
# Where it lies, how it is made, and whether something of it is kept.
STRAYS: list[tuple[str, Callable[[Path], object], bool]] = [
    (SESSION, Path.mkdir, True),
    (".claimed/README", Path.touch, True),
    (".claimed/@x", os.mkfifo, True),
    (f".claimed/{SESSION}@x+1", Path.mkdir, True),
    (".hold/notes.txt", Path.touch, True),
    (f".hold/.{SESSION}.12-34", Path.touch, False),
    (".owners/README", Path.touch, True),
    (".owners/x.lock", Path.mkdir, True),
    (".owners/x.json", Path.touch, False),
    (".owners/x.beat", Path.touch, False),
    (".owners/.x.new", Path.touch, False),
    (".owners/.x.json.12-34", Path.touch, False),
]


def contents(pool: Path) -> set[str]:
    return {os.fspath(path.relative_to(pool)) for path in pool.rglob("*")}


@pytest.mark.parametrize(("where", "make", "kept"), STRAYS, ids=[where for where, _, _ in STRAYS])
def test_a_stray_is_found_and_tidied_and_nothing_else(
    queue: DirectoryQueue, where: str, make: Callable[[Path], object], kept: bool
) -> None:
    put(queue, *names(2))
    [claim] = queue.claim(1, 0)
    before = contents(queue.pool)
    make(queue.pool / where)
    now = time.time() + DAY
    [stray] = queue.strays(now)
    assert stray.path == str(queue.pool / where)
    queue.tidy(stray)
    queue.tidy(stray)
    assert queue.strays(now) == []
    more = contents(queue.pool) - before - {".corrupt"}
    assert [os.path.dirname(path) for path in more] == ([".corrupt"] if kept else [])
    assert contents(queue.pool) > before or not kept
    claim.done()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_hold_whose_reason_cannot_be_read_stays_a_hold(
    queue: DirectoryQueue, make: Callable[[Path], object]
) -> None:
    make(queue.pool / ".hold" / SESSION)
    for _ in range(2):
        for stray in queue.strays(time.time()):
            queue.tidy(stray)
    assert queue.held() == {SESSION: "set aside for a reason that could not be read"}


def test_what_somebody_may_still_be_writing_is_left_alone(queue: DirectoryQueue) -> None:
    for where, make, kept in STRAYS:
        if not kept:
            make(queue.pool / where)
    assert queue.strays(time.time()) == []


def test_a_file_that_is_being_written_is_none_until_it_is_old(queue: DirectoryQueue) -> None:
    for folder in (".hold", ".owners"):
        with Disk("off").drafts(queue.pool / folder, {SESSION: b"reason", "x.json": b"{}"}):
            assert queue.strays(time.time()) == []
            assert len(queue.strays(time.time() + DAY)) == 2


def test_a_folder_in_the_place_of_the_blank_file_makes_room_for_one(queue: DirectoryQueue) -> None:
    (queue.pool / ".blank").unlink()
    (queue.pool / ".blank").mkdir()
    [stray] = queue.strays(time.time())
    queue.tidy(stray)
    put(queue, *names(1))
    assert len(queue) == 1


def test_other_names_in_the_pool_are_nobodys_business(queue: DirectoryQueue) -> None:
    for name in ("README", ".hidden", "d-20180521-xyz"):
        (queue.pool / name).touch()
    (queue.pool / "object_detection").mkdir()
    assert queue.strays(time.time() + DAY) == []
