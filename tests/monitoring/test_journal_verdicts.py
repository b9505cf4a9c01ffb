"""Verdicts and their journal: every one is noted, and none is harmed by it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
from support.helpers import KIND, picture_without_its_end, wait_until
from support.live import IC, Live, digit

from scai.models import cards
from scai.monitoring.journal import FOLDER, Journal, JournalEntry
from scai.monitoring.last_hour import LastHour, reasons, summary
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.storage.session import Session
from scai.worker.pipeline import Worker
from workers.image_classification import build

NOW = 1_790_000_040.0


def _disk_full(*arguments: object) -> int:
    raise OSError(28, "No space left on device")


class _Os:
    """The module os, with a full disk."""

    write = staticmethod(_disk_full)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


def _link_to_nowhere(pool: Path, patch: pytest.MonkeyPatch) -> None:
    (pool / FOLDER).symlink_to(pool / "no" / "such" / "folder")


def _file_in_the_way(pool: Path, patch: pytest.MonkeyPatch) -> None:
    (pool / FOLDER).write_text("in the way")


def _full(pool: Path, patch: pytest.MonkeyPatch) -> None:
    # The journal's disk only: the verdict's own writing is another module's.
    patch.setattr("scai.monitoring.journal.os", _Os())


def _bug(pool: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JournalEntry, "to_line", lambda self: 1 / 0)


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    return ModelCache(lambda section: build(cards.load_card(fake_models, section, KIND)))


@pytest.fixture
def journal(queue: DirectoryQueue) -> Journal:
    return Journal(queue.pool)


@pytest.fixture
def worker(
    queue: DirectoryQueue, models: ModelCache, sessions: Path, journal: Journal
) -> Iterator[Worker]:
    worker = Worker(queue, models, sessions, journal=journal)
    yield worker
    worker.close()


def test_every_verdict_of_a_worker_stands_in_the_journal(
    worker: Worker, submit: Callable[..., Session], queue: DirectoryQueue
) -> None:
    for data in (None, None, b"no picture"):
        submit(data=data)
    broken = submit()
    (broken.path / "process.json").write_text("{")
    deadly = submit()
    record = deadly.record() | {"attempts": 3}
    (deadly.path / "process.json").write_text(json.dumps(record))
    worker.step()
    minutes = LastHour(queue.pool).minutes()
    assert (summary(minutes)["count"], summary(minutes)["failures"]) == (5, 3)
    codes = {each.code for each in reasons(minutes)}
    assert codes == {"unsupported_format", "bad_session", "worker_died"}
    written = b"".join(file.read_bytes() for file in (queue.pool / FOLDER).iterdir())
    assert b"photo.jpg" not in written and b"d-2" not in written
    entries = filter(None, map(JournalEntry.from_line, written.splitlines()))
    assert {(e.model, e.engine, e.batch) for e in entries if e.state == "complete"} == {
        ("default", "fake", 2)
    }


@pytest.mark.parametrize("harm", [_link_to_nowhere, _file_in_the_way, _full, _bug])
def test_a_journal_that_fails_leaves_the_verdict_alone(
    harm: Callable[[Path, pytest.MonkeyPatch], None],
    worker: Worker,
    journal: Journal,
    submit: Callable[..., Session],
    queue: DirectoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, bad = submit(), submit(data=b"no")
    harm(queue.pool, monkeypatch)
    worker.step()
    assert (good.state, bad.state) == ("complete", "failure")
    assert len(queue) == 0 and not queue.claims() and not queue.held()
    assert journal.losses == 2


def test_the_journal_is_no_job_and_the_queue_does_not_mind_it(
    queue: DirectoryQueue, journal: Journal
) -> None:
    journal.note(lambda: JournalEntry(NOW, 1.0))
    journal.close()
    assert journal.losses == 0
    assert len(queue) == 0 and queue.claim(5, 0) == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["runtime", "job"])
def test_the_figures_outlive_a_restart_in_both_modes(mode: str, tmp_path: Path) -> None:
    for expected in (2, 4):
        running = Live(tmp_path, "--runningmode", mode).wait_ready()
        try:
            for data in (digit(), picture_without_its_end()):
                running.result(IC.result, running.post(IC.upload, data))
            wait_until(partial(_counted, running, expected, expected // 2), 10)
        finally:
            running.stop()


def _counted(running: Live, count: int, failures: int) -> bool:
    hour = requests.get(f"{running.url}/status.json", timeout=10).json()["hour"]
    return (hour["count"], hour["failures"]) == (count, failures)
