"""Sessions are bounded in number, bytes and by the free disk: the oldest verdicts go first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.helpers import wait_until

from scai.errors import ImageTooLarge, NotFound, ScaiError
from scai.jobs.retention import Purge, purge
from scai.jobs.trimming import Bounds, Trimming
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT
from scai.storage.ages import Ages
from scai.storage.batch import Batch
from scai.storage.session import FINAL, Session, Upload
from scai.storage.space import Room

Make = Callable[..., Session]
NOW = time.time()
MONTH = 30 * 86400.0


@pytest.fixture
def verdict(new_session: Make) -> Callable[..., Session]:
    """Makes sessions with a verdict of `age` seconds."""

    def make(age: float, size: int = 1000) -> Session:
        session = new_session(data=b"x" * size)
        session.complete({"predictions": []})
        os.utime(session.path, (NOW - age, NOW - age))
        return session

    return make


def clean(root: Path, queue: DirectoryQueue, dry_run: bool = False, **bounds: object) -> Purge:
    within = Bounds(**bounds)  # type: ignore[arg-type]
    return purge(root, [queue], MONTH, bounds=within, now=NOW, dry_run=dry_run)


def test_beyond_the_number_the_oldest_verdicts_go_whatever_their_names(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    ages = [2000.0, 5000.0, 1000.0, 4000.0, 3000.0]
    made = {age: verdict(age) for age in ages}
    done = clean(sessions, queue, sessions=3)
    assert done.removed == [made[5000.0].name, made[4000.0].name] and done.early == 2
    assert clean(sessions, queue, sessions=3).removed == []
    assert clean(sessions, queue, sessions=0).removed == []


def test_bytes_are_bounded(verdict: Make, sessions: Path, queue: DirectoryQueue) -> None:
    for age in (1000, 2000, 3000):
        verdict(age, size=100_000)
    assert clean(sessions, queue, bytes=400_000).early == 0
    assert clean(sessions, queue, bytes=250_000).early == 1
    assert sum(session.stat().st_size for session in sessions.glob("*/input.jpg")) == 200_000


def test_a_short_disk_is_cleaned_until_it_is_not(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    for age in range(1000, 1010):
        verdict(age, size=50_000)

    def lacking() -> Room:
        # As a disk whose free room is what is not used here.
        used = sum(file.stat().st_size for file in sessions.glob("*/input.jpg"))
        return Room(max(0, used - 300_000), 0)

    assert clean(sessions, queue, shortage=lacking).early == 4
    assert lacking() == Room(0, 0)
    few = Room(0, 1)
    assert clean(sessions, queue, shortage=lambda: few).early == 6, "inodes lack as well as bytes"


def test_what_waits_runs_or_is_held_or_has_no_verdict_or_a_fresh_one_stays(
    verdict: Make, new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    waiting, claimed, held, locked, fresh = (verdict(age) for age in (5000, 5000, 5000, 5000, 100))
    unfinished = new_session()
    os.utime(unfinished.path, (NOW - 5000, NOW - 5000))
    for session in (claimed, held):
        queue.put(Job(session.name, queue.kind))
    first, second = sorted(queue.claim(2, 0), key=lambda claim: claim.job.session == held.name)
    assert first.job.session == claimed.name
    second.hold("a person has to look")
    queue.put(Job(waiting.name, queue.kind))
    with locked.lock():
        done = clean(sessions, queue, sessions=1, shortage=lambda: Room(1, 1))
    assert done.removed == []
    assert all(s.path.exists() for s in (waiting, claimed, held, locked, fresh, unfinished))
    assert clean(sessions, queue, sessions=1).removed == [locked.name]


def test_a_dry_run_says_the_same_and_removes_nothing(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    for age in (1000, 2000, 3000, MONTH + 100):
        verdict(age)
    would = clean(sessions, queue, dry_run=True, sessions=2)
    assert would.early == 1 and len(would.removed) == 2 and len(list(sessions.iterdir())) == 4
    assert clean(sessions, queue, sessions=2) == would


def test_a_dry_run_ends_when_enough_would_be_free(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    for age in range(1000, 1010):
        verdict(age, size=50_000)
    assert clean(sessions, queue, dry_run=True, shortage=lambda: Room(120_000, 0)).early == 3


def test_many_sessions_are_worked_through_in_portions(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    names = [verdict(age).name for age in range(1030, 1000, -1)]
    gone: list[str] = []

    def remove(session: Session) -> int | None:
        gone.append(session.name)
        return session.remove()

    trimming = Trimming(sessions, [queue], Bounds(sessions=10), Ages(NOW), remove, at_a_time=7)
    assert trimming.run() == 20 and gone == names[:20]


def test_sessions_that_cannot_be_removed_are_tried_once(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    for age in range(1000, 1010):
        verdict(age)
    tries: list[str] = []
    bounds = Bounds(sessions=1)
    trimming = Trimming(
        sessions, [queue], bounds, Ages(NOW), lambda s: tries.append(s.name), at_a_time=3
    )
    assert trimming.run() == 0 and len(tries) == len(set(tries)) == 10


def test_empty_batches_go_too_when_room_lacks(sessions: Path, queue: DirectoryQueue) -> None:
    old, young = (Batch.create(sessions, queue.kind, {}) for _ in range(2))
    moment = NOW - 4000
    for path in (old.path / "items.jsonl", old.path):
        os.utime(path, (moment, moment))
    clean(sessions, queue)
    assert old.path.exists()
    clean(sessions, queue, shortage=lambda: Room(0, 1))
    assert not old.path.exists() and young.path.exists()


@pytest.mark.slow
def test_a_result_is_read_whole_or_not_at_all_while_cleaners_run_and_photos_come(
    sessions: Path, queue: DirectoryQueue
) -> None:
    """Two cleaners without any patience, in a loop, beside uploads, verdicts and readers."""
    stop = threading.Event()
    made: list[Session] = []
    wrong: list[object] = []
    removed: list[str] = []

    def clean_on() -> None:
        bounds = Bounds(sessions=5, grace=-1.0)
        while not stop.is_set():
            removed.extend(purge(sessions, [queue], MONTH, bounds=bounds).removed)

    def upload() -> None:
        for _ in range(150):
            upload = Upload(b"x", ".jpg")
            made.append(Session.create(sessions, queue.kind, upload, queue=queue))

    def work() -> None:
        done = 0
        while done < 300 and not stop.is_set():
            for claim in queue.claim(8, 0.05):
                session = Session(sessions, claim.job.session)
                with session.lock(patience=5) as ours:
                    if not (ours and session.complete({"predictions": [1]})):
                        wrong.append(claim.job)
                claim.done()
                done += 1

    def read() -> None:
        while not stop.is_set():
            for session in made[-40:]:
                try:
                    result = session.result()
                except NotFound:
                    continue
                if result["state"] in FINAL and result.get("predictions") != [1]:
                    wrong.append(result)

    cleaners = [threading.Thread(target=clean_on) for _ in range(2)]
    others = [threading.Thread(target=each) for each in (upload, upload, work)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*cleaners, *others, *readers):
        thread.start()
    try:
        for thread in others:
            thread.join(120)
        wait_until(lambda: len(list(sessions.glob("d-*"))) <= 5, what="the cleaners")
    finally:
        stop.set()
        for thread in (*cleaners, *readers, *others):
            thread.join(60)
    assert wrong == []
    assert len(made) == 300 and len(queue) == 0 and queue.held() == {}
    assert len(removed) == len(set(removed)) >= 295
    assert {path.name for path in sessions.iterdir()} == {s.name for s in made} - set(removed)


def test_a_result_is_not_found_when_the_cleaner_came_after_its_record_was_read(
    new_session: Make,
) -> None:
    session = new_session()
    session.complete({"predictions": [1]})
    record = session.record()
    session.remove()
    with pytest.raises(NotFound):
        session.result(record)


def test_a_foreign_sessions_verdict_without_a_result_is_still_shown(new_session: Make) -> None:
    session = new_session()
    session.fail(ImageTooLarge("too large"))
    (session.path / "result.json").unlink()
    assert session.result()["state"] == "failure"


def test_the_program_keeps_within_its_settings(tmp_path: Path, verdict: Make) -> None:
    made = [verdict(5000 - age) for age in range(4)]
    command = [sys.executable, str(ROOT / "clean.py"), f"--sessionpath={made[0].path.parent}"]
    environment = {**os.environ, "SCAI_KEEP_SESSIONS": "1", "SCAI_KEEP_LEAST": "10m"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 younger ones removed for lack of room" in done.stdout
    assert [session.path.exists() for session in made] == [False, False, False, True]
    assert not (tmp_path / "pooling").exists(), "looking makes no folders"


def test_errors_of_one_session_stop_no_trimming(
    verdict: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    broken = verdict(9000)
    (broken.path / "process.json").write_text("{")
    verdict(8000), verdict(7000)
    with pytest.raises(ScaiError):
        _ = broken.state
    assert clean(sessions, queue, sessions=2).early == 1
    assert broken.path.exists(), "whoever repairs queues decides about it"
