"""Batches when the disk refuses or the machine stops: what was answered stays, once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from support.helpers import picture
from support.inprocess import Site

from scai.errors import Busy, NotFound, ScaiError, StorageFull
from scai.jobs.batches.portion import PortionPhoto
from scai.jobs.batches.service import BatchService
from scai.jobs.retention import purge
from scai.jobs.service import JobService
from scai.jobs.times import JobTimes
from scai.queues.directory import DirectoryQueue
from scai.storage.batch import Batch
from scai.storage.disk import Disk
from scai.storage.session import Session

KIND = "image_classification"
WHITE = picture(color=(250, 250, 250))
DAY = 86400.0


class PowerCut(BaseException):
    """The process is gone: nothing behind this runs."""


def photos(*names: str) -> list[PortionPhoto]:
    return [PortionPhoto(name, at, lambda: nullcontext(WHITE)) for at, name in enumerate(names)]


@pytest.fixture
def batches(site: Site) -> BatchService:
    return BatchService(JobService(site.settings, site.queues), site.settings, Disk("group"))


def again(site: Site) -> BatchService:
    """As a portal sees it that has just started."""
    return BatchService(JobService(site.settings, site.queues), site.settings, Disk("group"))


def sessions(site: Site) -> list[str]:
    return sorted(n for n in os.listdir(site.settings.sessionpath) if n.startswith("d-"))


def items(batch: Batch) -> list[str]:
    return [line["name"] for line in batch.lines(0)[0] if "name" in line]


def failing(
    monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException
) -> Callable[[], None]:
    """Let each flush of a file whose name ends so fail; what is returned heals the disk."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(where):
            raise error
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return lambda: monkeypatch.setattr(os, "fsync", real)


def test_a_power_cut_between_session_and_line_doubles_nothing(
    site: Site, batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = batches.create(KIND, {})
    name, key = progress.batch.name, progress.head["key"]

    def cut(*_: object) -> None:
        raise PowerCut

    monkeypatch.setattr(Disk, "append", cut)
    with pytest.raises(PowerCut):
        batches.add(progress, photos("a", "b"), "p", last=True)
    monkeypatch.undo()
    # Nobody was answered, so the batch is empty; the sessions are ordinary ones nobody knows.
    started = again(site)
    progress = started.open(name, key)
    assert items(progress.batch) == [] and progress.state == "open"
    assert len(sessions(site)) == 2
    # The client had no answer and sends the portion again.
    added = started.add(progress, photos("a", "b"), "p", last=True)
    assert len(added.items) == 2
    while len(site.queues[KIND]):
        site.workers[KIND].step()
    document = started.document(progress, "", 0, 10)
    assert [item["name"] for item in document["items"]] == ["a", "b"]
    assert document["state"] == "complete" and document["counts"]["complete"] == 2
    # Those nobody knows got theirs, too.
    assert {Session(site.settings.sessionpath, n).state for n in sessions(site)} == {"complete"}


def test_what_was_answered_is_on_the_disk_before_the_answer(
    site: Site, batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = batches.create(KIND, {})
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        file = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        flushed.append(file.read_text() if file.name == "items.jsonl" else "")

    monkeypatch.setattr(os, "fsync", fsync)
    added = batches.add(progress, photos("a", "b"), "p", last=True)
    on_the_disk = max(flushed, key=len)
    for item in added.items:
        assert item.line["task"] in on_the_disk
    assert '"closed"' in on_the_disk


def test_a_batch_is_on_the_disk_before_it_appears(
    site: Site, batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def flush(descriptor: int) -> None:
        fsync(descriptor)
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    def renamed(old: object, new: object) -> None:
        rename(str(old), str(new))
        done.append("renamed")

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "rename", renamed)
    batch = batches.create(KIND, {}).batch
    at = done.index("renamed")
    assert {"batch.json", "items.jsonl", f".new-{batch.name}"} <= set(done[:at])
    assert done[at + 1 :] == ["session"]


def test_a_disk_that_refuses_the_list_takes_nothing_and_keeps_nothing(
    site: Site, batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = batches.create(KIND, {})
    heal = failing(monkeypatch, "items.jsonl", OSError(28, "No space left on device"))
    added = batches.add(progress, photos("a", "b"), "p", last=True)
    assert added.items == [] and isinstance(added.stop, StorageFull)
    assert [name for name, _ in added.refusals] == ["a", "b"]
    assert sessions(site) == [] and len(site.queues[KIND]) == 0
    assert progress.batch.lines(0) == ([], 0)
    heal()
    assert len(batches.add(progress, photos("a", "b"), "p", last=True).items) == 2
    assert items(again(site).open(progress.batch.name, progress.head["key"]).batch) == ["a", "b"]


def test_a_disk_that_fills_in_the_middle_keeps_what_it_has(
    site: Site, batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = batches.create(KIND, {})
    calls = 0
    real = Disk.append

    def append(self: Disk, path: Path, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        real(self, path, data)

    monkeypatch.setattr(Disk, "append", append)
    batches = BatchService(
        JobService(replace(site.settings, max_waiting=100), site.queues), site.settings
    )
    names = [f"{number}.jpg" for number in range(40)]
    added = batches.add(progress, photos(*names), "p", last=True)
    have = [item.line["name"] for item in added.items]
    assert 0 < len(have) < len(names) and have == names[: len(have)]
    assert sorted(name for name, _ in added.refusals) == sorted(names[len(have) :])
    assert progress.state == "open" and len(sessions(site)) == len(have)


def test_a_disk_that_refuses_a_new_batch_leaves_nothing(
    site: Site, batches: BatchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "batch.json", OSError(5, "Input/output error"))
    with pytest.raises(ScaiError):
        batches.create(KIND, {})
    assert os.listdir(site.settings.sessionpath) == []


def test_a_line_that_was_cut_short_is_skipped_and_the_next_begins_anew(
    site: Site, batches: BatchService
) -> None:
    progress = batches.create(KIND, {})
    batches.add(progress, photos("a"), "p")
    file = progress.batch.path / "items.jsonl"
    with file.open("ab") as stream:
        stream.write(b'{"name": "torn", "task": "d-2018')
    started = again(site)
    progress = started.open(progress.batch.name, progress.head["key"])
    assert items(progress.batch) == ["a"]
    started.add(progress, photos("b"), "q")
    assert items(progress.batch) == ["a", "b"]
    assert [item.line["name"] for item in progress.items] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    ["null", "[]", "{}", "5", "\x00", '{"task": "../../etc", "name": "x", "key": "k"}',
     '{"task": 5, "name": "x", "key": "k"}', '{"name": "x"}', '{"name": 1, "error": "x"}'],
)  # fmt: skip
def test_lines_of_strangers_are_skipped(site: Site, batches: BatchService, line: str) -> None:
    progress = batches.create(KIND, {})
    with (progress.batch.path / "items.jsonl").open("a") as stream:
        stream.write(line + "\n")
    assert batches.document(progress, "", 0, 10)["items"] == []


def test_a_list_that_became_shorter_is_read_anew(site: Site, batches: BatchService) -> None:
    progress = batches.create(KIND, {})
    batches.add(progress, photos("a", "b"), "p")
    file = progress.batch.path / "items.jsonl"
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    progress.read()
    assert [item.line["name"] for item in progress.items] == ["a"]


def test_a_portion_beside_another_is_told_to_come_back(
    site: Site,
) -> None:
    service = JobService(site.settings, site.queues, times=JobTimes(batch_patience=0.0))
    batches = BatchService(service, site.settings)
    progress = batches.create(KIND, {})
    with progress.batch.lock(), pytest.raises(Busy) as caught:
        batches.add(progress, photos("a"))
    assert caught.value.details["retry_after"] == 2
    assert sessions(site) == []


def make_old(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    for each in (*path.iterdir(), path):
        os.utime(each, (moment, moment))


def test_a_batch_goes_with_the_last_of_its_sessions(
    site: Site, batches: BatchService, queue: DirectoryQueue
) -> None:
    root = site.settings.sessionpath
    progress = batches.create(KIND, {})
    added = batches.add(progress, photos("a", "b"), last=True)
    first, second = (root / item.line["task"] for item in added.items)
    make_old(progress.batch.path, 30)
    make_old(first, 30)
    assert purge(root, [queue], DAY).removed == [first.name]
    assert progress.batch.path.exists()  # the second is young
    make_old(second, 30)
    assert purge(root, [queue], DAY, dry_run=True).removed == [second.name]
    assert progress.batch.path.exists()
    assert purge(root, [queue], DAY).removed == [second.name]
    assert os.listdir(root) == []
    with pytest.raises(NotFound):
        batches.open(progress.batch.name, progress.head["key"])


def test_a_batch_whose_session_waits_stays_however_old(
    site: Site, batches: BatchService, queue: DirectoryQueue
) -> None:
    root = site.settings.sessionpath
    progress = batches.create(KIND, {})
    [item] = batches.add(progress, photos("a")).items
    for path in (progress.batch.path, root / item.line["task"]):
        make_old(path, 30)
    site.queues[KIND].has = lambda name: name == item.line["task"]  # type: ignore[attr-defined]
    done = purge(root, [site.queues[KIND]], DAY)  # type: ignore[list-item]
    assert done.removed == [] and done.alive == 1 and progress.batch.path.exists()


def test_an_empty_batch_goes_by_its_age_and_a_link_stays(
    site: Site, batches: BatchService, queue: DirectoryQueue, tmp_path: Path
) -> None:
    root = site.settings.sessionpath
    old, young, busy, linked = (batches.create(KIND, {}).batch for _ in range(4))
    for batch in (old, busy, linked):
        make_old(batch.path, 30)
    elsewhere = tmp_path / "elsewhere"
    linked.path.rename(elsewhere)
    linked.path.symlink_to(elsewhere)
    with busy.lock(0):
        purge(root, [queue], DAY)
    assert not old.path.exists()
    assert young.path.exists() and busy.path.exists() and linked.path.is_symlink()


def test_a_batch_to_which_photos_are_added_is_not_old(
    site: Site, batches: BatchService, queue: DirectoryQueue
) -> None:
    progress = batches.create(KIND, {})
    make_old(progress.batch.path, 30)
    batches.add(progress, photos("words"))
    for task in sessions(site):
        Session(site.settings.sessionpath, task).remove()
    purge(site.settings.sessionpath, [queue], DAY)
    assert progress.batch.path.exists()


def test_what_a_batch_keeps_in_memory_is_bounded(
    site: Site,
) -> None:
    batches = BatchService(JobService(site.settings, site.queues), site.settings, max_batches=3)
    made = [batches.create(KIND, {}) for _ in range(6)]
    assert len(batches) == 3
    for progress in made:
        head = json.loads((progress.batch.path / "batch.json").read_text())
        assert batches.open(progress.batch.name, head["key"]).head["kind"] == KIND
    assert len(batches) == 3
