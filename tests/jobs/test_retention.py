"""What the cleaner removes, and what it never does."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scai.jobs.retention import purge
from scai.queues.base import Job, Ticket
from scai.queues.directory import DirectoryQueue
from scai.queues.memory import MemoryQueue
from scai.settings import ROOT, Settings, seconds
from scai.storage import upload_spool
from scai.storage.ages import Ages, Look, read
from scai.storage.session import Session, Upload

Make = Callable[..., Session]
DAY = 86400.0


def make_old(session: Session, days: float) -> Session:
    moment = time.time() - days * DAY
    os.utime(session.path, (moment, moment))
    return session


def test_only_sessions_older_than_the_period_go(
    new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    old, young = make_old(new_session(), 3), make_old(new_session(), 1)
    done = purge(sessions, [queue], 2 * DAY)
    assert done.removed == [old.name] and done.freed > 500
    assert not old.path.exists() and young.path.exists()


def test_a_dry_run_removes_nothing_and_says_the_same(
    new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    old = make_old(new_session(), 3)
    would = purge(sessions, [queue], DAY, dry_run=True)
    assert old.path.exists()
    assert purge(sessions, [queue], DAY) == would


def test_a_session_that_waits_or_runs_stays_however_old(
    new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    waiting, claimed, locked = (make_old(new_session(), 30) for _ in range(3))
    queue.put(Job(claimed.name, queue.kind))
    queue.claim(1, 0)
    queue.put(Job(waiting.name, queue.kind))
    with locked.lock():
        done = purge(sessions, [queue], DAY)
    assert done.removed == [] and done.alive == 3
    assert all(s.path.exists() for s in (waiting, claimed, locked))


def test_links_and_strangers_stay(
    sessions: Path, queue: DirectoryQueue, new_session: Make, tmp_path: Path
) -> None:
    target = make_old(new_session(), 30).path
    elsewhere = tmp_path / "elsewhere"
    target.rename(elsewhere)
    link = sessions / target.name
    link.symlink_to(elsewhere)
    (sessions / "notes").mkdir()
    (sessions / "file").touch()
    for stranger in (sessions / "notes", sessions / "file"):
        os.utime(stranger, (0, 0))
    assert purge(sessions, [queue], DAY).removed == []
    assert link.is_symlink() and (elsewhere / "process.json").exists()
    assert (sessions / "notes").exists() and (sessions / "file").exists()


def test_the_hold_file_of_a_removed_session_goes_with_it(
    new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    old = make_old(new_session(), 30)
    queue.put(Job(old.name, queue.kind))
    [claim] = queue.claim(1, 0)
    claim.hold("reason")
    purge(sessions, [queue], DAY)
    assert queue.held() == {}


def test_debris_of_a_crash_goes_when_it_is_surely_nobodys(
    sessions: Path, queue: DirectoryQueue, new_session: Make
) -> None:
    name = new_session().name
    old, fresh = sessions / f".new-{name}", sessions / f".gone-{name}"
    for folder in (old, fresh):
        folder.mkdir()
        (folder / "input.jpg").touch()
    os.utime(old, (0, 0))
    uploads = [sessions / f"{upload_spool.PREFIX}{n}" for n in range(2)]
    for upload in uploads:
        upload.touch()
    os.utime(uploads[0], (0, 0))
    purge(sessions, [queue], DAY, dry_run=True)
    assert old.exists() and uploads[0].exists()
    purge(sessions, [queue], DAY)
    assert not old.exists() and fresh.exists()
    assert not uploads[0].exists() and uploads[1].exists()


def test_a_link_in_the_place_of_debris_goes_and_its_target_stays(
    sessions: Path, queue: DirectoryQueue, tmp_path: Path
) -> None:
    """Else nothing could ever be removed under that name again."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").touch()
    links = [sessions / f"{prefix}x" for prefix in (".gone-d-", ".new-d-", upload_spool.PREFIX)]
    for link in links:
        link.symlink_to(target)
        os.utime(link, (0, 0), follow_symlinks=False)
    purge(sessions, [queue], DAY)
    assert not any(link.is_symlink() for link in links) and (target / "file").exists()


def test_a_session_with_a_folder_in_it_goes_too(
    new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    session = new_session()
    (session.path / "folder").mkdir()
    (session.path / "folder" / "file").touch()
    make_old(session, 3)
    purge(sessions, [queue], DAY)
    assert list(sessions.iterdir()) == []


def test_a_cleaner_without_patience_takes_no_upload_that_is_being_made(
    sessions: Path, queue: DirectoryQueue
) -> None:
    """From the moment its directory appears until its ticket is there, a session is locked."""
    alive: list[int] = []

    class Cleaned(MemoryQueue):
        def place(self, session: str) -> Ticket:
            alive.append(purge(sessions, [queue], 0, now=time.time() + 10).alive)
            return queue.place(session)

    session = Session.create(sessions, queue.kind, Upload(b"x", ".jpg"), queue=Cleaned(queue.kind))
    assert alive == [1]
    assert purge(sessions, [queue], 0, now=time.time() + 10).removed == []
    assert session.path.exists()


def test_two_cleaners_and_uploads_at_once_remove_each_old_session_once(
    new_session: Make, sessions: Path, queue: DirectoryQueue
) -> None:
    old = [make_old(new_session(), 3).name for _ in range(100)]
    removed: list[str] = []
    started = threading.Barrier(3)

    def clean() -> None:
        started.wait()
        removed.extend(purge(sessions, [queue], DAY).removed)

    cleaners = [threading.Thread(target=clean) for _ in range(2)]
    for cleaner in cleaners:
        cleaner.start()
    started.wait()
    fresh = [new_session() for _ in range(20)]
    for cleaner in cleaners:
        cleaner.join()
    assert sorted(removed) == sorted(old)
    assert all(session.path.exists() for session in fresh)


def clean(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the cleaner in `folder`, so that no mistake finds sessions of somebody's own."""
    command = [sys.executable, str(ROOT / "clean.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_program_cleans_once_and_tells(tmp_path: Path, new_session: Make) -> None:
    old = make_old(new_session(), 3)
    path = f"--sessionpath={old.path.parent}"
    done = clean(tmp_path, path, "--keeptimeperiod=2d", "--dry-run")
    assert f"would remove {old.name}" in done.stdout and old.path.exists()
    # the original's spelling
    done = clean(tmp_path, path, "--keeptimeperoid", "172800")
    assert f"removed {old.name}" in done.stdout
    assert "1 sessions older than 2 d removed" in done.stdout
    assert not old.path.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--sessionpath=no/where"], 1, "no/where: no such folder; name it with --sessionpath\n"),
        (["--keeptimeperoid=soon"], 78, "expected a number"),
    ],
)
def test_the_program_says_what_is_wrong(
    tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    done = clean(tmp_path, *arguments)
    assert done.returncode == status and sentence in done.stderr


@pytest.mark.parametrize(
    ("text", "value"), [("172800", 172800), ("90m", 5400), ("12h", 43200), ("2d", 172800)]
)
def test_periods_are_seconds_or_have_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


def test_the_default_period_is_the_seeds() -> None:
    assert Settings().keeptimeperiod == 172800


def test_a_clock_that_jumps_ahead_removes_no_fresh_verdict(
    new_session: Make, sessions: Path
) -> None:
    fresh, old, now = new_session(), new_session(), time.time()
    os.utime(fresh.path, (now - 60, now - 60))
    os.utime(old.path, (now - 2 * DAY, now - 2 * DAY))
    read(sessions, look=lambda: Look(now, 1000.0, "run"))
    # Ten minutes pass, in which the clock is set ahead by three days.
    ages = read(sessions, look=lambda: Look(now + 600 + 3 * DAY, 1600.0, "run"))
    assert purge(sessions, [], 2 * DAY, ages=ages).removed == [old.name]
    later = read(sessions, look=lambda: Look(now + 600 + 5 * DAY, 1600.0 + 2 * DAY, "run"))
    assert purge(sessions, [], 2 * DAY, ages=later).removed == [fresh.name]


def test_a_clock_that_jumps_ahead_leaves_an_upload_that_goes_on(sessions: Path) -> None:
    spool = sessions / f"{upload_spool.PREFIX}now"
    spool.write_bytes(b"half of it")
    now = time.time()
    read(sessions, look=lambda: Look(now, 1000.0, "run"))
    ages = read(sessions, look=lambda: Look(now + DAY, 1000.0, "run"))
    purge(sessions, [], 2 * DAY, ages=ages)
    assert spool.exists()


def test_the_command_notes_the_clock_and_a_dry_run_does_not(sessions: Path) -> None:
    command = [sys.executable, "clean.py", "--quiet", f"--sessionpath={sessions}"]
    subprocess.run([*command, "--dry-run"], cwd=ROOT, check=True)
    assert not (sessions / ".clock").exists()
    subprocess.run(command, cwd=ROOT, check=True)
    assert (sessions / ".clock").is_file()


def test_an_upload_that_becomes_a_session_meanwhile_is_no_trouble(
    sessions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    making = sessions / ".new-x"
    making.mkdir()

    class Late(Ages):
        def of(self, changed: float) -> float:
            making.rename(sessions / "x")
            (sessions / f"{upload_spool.PREFIX}x").unlink()
            return 0.0

    (sessions / f"{upload_spool.PREFIX}x").touch()
    purge(sessions, [], DAY, ages=Late(time.time()))
    assert caplog.text == ""
