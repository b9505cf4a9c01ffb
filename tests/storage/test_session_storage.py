"""In which order a session comes onto the disk, and what is left when the disk refuses."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scai.queues.base import Ticket
from scai.queues.directory import DirectoryQueue
from scai.queues.memory import MemoryQueue
from scai.storage.session import Session, Upload

Make = Callable[..., Session]


def test_a_record_is_flushed_before_it_takes_the_place_of_a_flushed_one(
    new_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session()
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    session.start()
    assert any(name.startswith(".process.json.") for name in flushed)


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was flushed and renamed, in order: "flush <name>", "rename <new name>"."""
    done: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def flush(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        fsync(descriptor)
        done.append(f"flush {Path(path).name}")

    def renamed(old: object, new: object) -> None:
        done.append(f"rename {Path(str(new)).name}")
        (rename if str(old).count("/.new-") else replace)(str(old), str(new))

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "replace", renamed)
    return done


@pytest.mark.parametrize("large", [False, True])
def test_an_upload_is_whole_on_the_disk_before_it_appears_and_its_ticket_before_the_answer(
    sessions: Path, tmp_path: Path, trace: list[str], large: bool
) -> None:
    queue = DirectoryQueue(tmp_path / "pool", "image_classification", doorbell=False)
    upload = Upload(b"x" * 50_000, ".jpg")
    if large:
        (sessions / ".up-1").write_bytes(b"x" * 50_000)
        upload = Upload(b"", ".jpg", "", sessions / ".up-1")
    session = Session.create(
        sessions,
        "image_classification",
        upload,
        queue=queue,
    )
    appeared = trace.index(f"rename {session.name}")
    before = {"flush input.jpg", "flush process.json", f"flush .new-{session.name}"}
    assert before <= set(trace[:appeared])
    assert set(trace[appeared + 1 :]) == {"flush session", "flush pool"}
    assert session.input_path.read_bytes() == b"x" * 50_000
    assert [f.name for f in sessions.iterdir()] == [session.name]
    queue.close()


def test_a_large_upload_is_moved_and_not_copied(sessions: Path) -> None:
    file = sessions / ".up-1"
    file.write_bytes(b"x")
    inode = file.stat().st_ino
    session = Session.create(sessions, "image_classification", Upload(b"", ".png", "", file))
    assert session.input_path.stat().st_ino == inode


def test_a_verdict_is_on_the_disk_before_the_record_says_so(
    new_session: Make, trace: list[str]
) -> None:
    session = new_session("object_detection")
    del trace[:]
    session.complete({"predictions": []}, picture=b"png")
    renames = [step for step in trace if step.startswith("rename")]
    assert renames == ["rename output.png", "rename result.json", "rename process.json"]
    drafts = trace[: trace.index(renames[0])]
    assert sorted(step.split(".")[1] for step in drafts) == ["output", "process", "result"]
    assert trace[trace.index(renames[1]) :] == [
        "rename result.json",
        f"flush {session.name}",
        "rename process.json",
        f"flush {session.name}",
    ]


def test_a_worker_need_not_wait_for_the_flush_of_the_ticket(sessions: Path) -> None:
    """The lock is released as soon as the ticket is there, or its claimer would find it taken."""
    free: list[bool] = []

    class Watched(MemoryQueue):
        def place(self, session: str) -> Ticket:
            self._try_lock(session)
            return super().place(session)

        def flush(self, ticket: Ticket) -> None:
            self._try_lock(ticket.session)

        def _try_lock(self, session: str) -> None:
            with Session(sessions, session).lock(patience=0) as ours:
                free.append(ours is not None)

    queue = Watched("image_classification")
    Session.create(sessions, "image_classification", Upload(b"x", ".jpg"), queue=queue)
    assert free == [False, True]


def test_a_lock_that_is_soon_let_go_is_waited_for(new_session: Make) -> None:
    session = new_session()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with session.lock():
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    timer = threading.Timer(0.05, done.set)
    timer.start()
    with session.lock(patience=30) as ours:
        assert ours
    holder.join()
    timer.join()


@pytest.mark.parametrize("folder", ["pool", "session"])
def test_when_a_last_flush_fails_neither_the_ticket_nor_the_session_stays(
    sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    queue = DirectoryQueue(tmp_path / "pool", "image_classification", doorbell=False)
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(f"/{folder}"):
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError):
        Session.create(sessions, "image_classification", Upload(b"x", ".jpg"), queue=queue)
    assert list(sessions.iterdir()) == [] and len(queue) == 0
    queue.close()


def test_an_upload_that_cannot_be_queued_leaves_nothing(sessions: Path) -> None:
    class Full(MemoryQueue):
        def place(self, session: str) -> Ticket:
            assert Session(sessions, session).state == "initialization"
            raise OSError(28, "No space left on device")

    upload = Upload(b"x", ".jpg")
    with pytest.raises(OSError):
        Session.create(sessions, "image_classification", upload, queue=Full("image_classification"))
    assert list(sessions.iterdir()) == []
