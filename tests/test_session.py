"""One upload and everything that came of it."""

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scai.errors import BadImage, NotFound, ScaiError
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.session import NAME, Session, Upload, arrived, new_name

Make = Callable[..., Session]
SEED_KEYS = {"state", "job", "key", "input_image", "message", "result", "result_image"}


def test_a_new_session_has_the_seeds_record(new_session: Make) -> None:
    session = new_session(model="digits")
    record = json.loads((session.path / "process.json").read_text())
    assert SEED_KEYS <= set(record)
    assert all(isinstance(record[key], str) for key in SEED_KEYS)
    assert record["state"] == "initialization"
    assert re.fullmatch(r"[0-9a-f]{40}", record["key"])
    assert record["input_image"] == "input.jpg"
    assert record["model"] == "digits"
    assert session.input_path.read_bytes()[:2] == b"\xff\xd8"


def test_names_sort_by_arrival_and_tell_their_time() -> None:
    moments = [1_790_000_000.0 + n * 0.001 for n in range(50)]
    names = [new_name(moment) for moment in moments]
    assert names == sorted(names)
    assert all(NAME.fullmatch(name) for name in names)
    assert arrived(names[7]) == pytest.approx(moments[7], abs=0.001)
    assert arrived("d-20180521-" + "ab" * 20) is None


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "",
        "d-20180521-" + "g" * 40,  # not hex
        "d-20180521-" + "A" * 40,  # upper case
        "d-20180521-" + "a" * 39,  # too short
        "d-20180521-" + "a" * 40 + "/..",
        "d-20180521-" + "a" * 40 + "\n",
        "../d-20180521-" + "a" * 40,
    ],
)
def test_a_name_of_another_form_is_refused_before_the_disk_is_touched(name: str) -> None:
    with pytest.raises(NotFound):
        Session(Path("/nonexistent"), name)


def test_only_the_right_key_and_kind_open_a_session(new_session: Make) -> None:
    session = new_session()
    key = session.record()["key"]
    assert session.opens_with(key, "image_classification")
    assert not session.opens_with(key, "object_detection")
    assert not session.opens_with("", "image_classification")
    assert not session.opens_with("é" * 40, "image_classification")
    assert not session.opens_with(key[:-1], "image_classification")


def test_a_session_without_a_key_is_opened_by_nobody(new_session: Make) -> None:
    session = new_session()
    record = session.record() | {"key": ""}
    (session.path / "process.json").write_text(json.dumps(record))
    assert not session.opens_with("", "image_classification")


@pytest.mark.parametrize("key", [None, 5, {}, ["k"], ""])
def test_a_key_that_is_no_text_opens_nothing(new_session: Make, key: object) -> None:
    session = new_session()
    (session.path / "process.json").write_text(json.dumps(session.record() | {"key": key}))
    assert not session.opens_with(str(key), "image_classification")


def test_links_in_a_session_are_not_served(new_session: Make, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    session = new_session()
    (session.path / "output.png").symlink_to(secret)
    assert session.picture_path is None
    (session.path / "process.json").unlink()
    (session.path / "process.json").symlink_to(secret)
    with pytest.raises(NotFound):
        session.record()
    elsewhere = tmp_path / "elsewhere"
    session.path.rename(elsewhere)
    session.path.symlink_to(elsewhere)
    with pytest.raises(NotFound):
        session.record()
    with pytest.raises(NotFound), session.lock():
        pass


def test_the_verdict_wins_over_what_the_record_says(new_session: Make) -> None:
    session = new_session(model="asked", predictions="foreign")
    session.complete({"model": "answered", "predictions": []})
    assert session.result()["model"] == "answered"
    assert session.result()["predictions"] == []


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
        enqueue=lambda made: queue.place(Job(made.name, queue.kind)),
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
    """The lock is let go as soon as the ticket is there, or its claimer would find it taken."""
    free: list[bool] = []

    def enqueue(session: Session) -> Callable[[], None]:
        with session.lock(patience=0) as ours:
            free.append(ours)

        def flush() -> None:
            with session.lock(patience=0) as ours:
                free.append(ours)

        return flush

    Session.create(sessions, "image_classification", Upload(b"x", ".jpg"), enqueue=enqueue)
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


def test_a_ticket_that_cannot_be_flushed_goes_and_its_session_with_it(
    sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = DirectoryQueue(tmp_path / "pool", "image_classification", doorbell=False)
    real = os.fsync

    def refuse_pool(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/pool"):
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_pool)
    with pytest.raises(OSError):
        Session.create(
            sessions,
            "image_classification",
            Upload(b"x", ".jpg"),
            enqueue=lambda made: queue.place(Job(made.name, queue.kind)),
        )
    assert list(sessions.iterdir()) == [] and len(queue) == 0
    queue.close()


def test_an_upload_that_cannot_be_queued_leaves_nothing(sessions: Path) -> None:
    def full(session: Session) -> None:
        assert session.state == "initialization"
        raise OSError(28, "No space left on device")

    upload = Upload(b"x", ".jpg")
    with pytest.raises(OSError):
        Session.create(sessions, "image_classification", upload, enqueue=full)
    assert list(sessions.iterdir()) == []


def test_states_go_forward_and_a_final_one_never_changes(new_session: Make) -> None:
    session = new_session()
    with session.lock() as ours:
        assert ours
        assert session.start()["attempts"] == 1
        assert session.state == "processing"
        assert re.fullmatch(
            r"AI recognition starts on \d\d:\d\d:\d\d\.", session.record()["message"]
        )
        assert session.complete({"predictions": []}, text="{}")
        before = {f.name: f.read_bytes() for f in session.path.iterdir()}
        assert not session.fail(BadImage("late"))
        assert not session.complete({"predictions": ["other"]}, text="{}")
        session.start()
    assert {f.name: f.read_bytes() for f in session.path.iterdir()} == before
    assert session.state == "complete"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("image_classification", r"Image classification finished on \d\d:\d\d:\d\d"),
        ("object_detection", r"Object detection finished on \d\d:\d\d:\d\d"),
    ],
)
def test_the_seeds_messages(new_session: Make, kind: str, message: str) -> None:
    session = new_session(kind)
    session.complete({}, text="", picture=b"png")
    result = session.result()
    assert re.fullmatch(message, result["message"])
    assert result["result_image"] == "output.png"
    assert session.picture_path is not None and session.picture_path.read_bytes() == b"png"


def test_a_failure_says_the_stage_and_the_reason(new_session: Make) -> None:
    session = new_session("object_detection")
    session.fail(BadImage("the file ends too early", stage="decode"))
    result = session.result()
    assert result["state"] == "failure"
    assert re.fullmatch(
        r"Object detection failed on \d\d:\d\d:\d\d: the file ends too early", result["message"]
    )
    assert (result["error"], result["stage"]) == ("the file ends too early", "decode")
    error = {key: result[key] for key in ("error", "code", "stage")}
    assert isinstance(ScaiError.from_dict(error), BadImage)


def test_what_clients_see_has_no_secret(new_session: Make) -> None:
    session = new_session()
    session.complete({"predictions": [{"label": "3"}]}, text='{"3": "99.0%"}')
    result = session.result()
    assert {"state", "job", "message", "result", "result_image"} <= set(result)
    assert "key" not in result and "input_image" not in result
    assert result["predictions"] == [{"label": "3"}]


def test_two_cannot_hold_one_session(new_session: Make) -> None:
    session = new_session()
    with session.lock() as first, Session(session.path.parent, session.name).lock() as second:
        assert first and not second
    with session.lock() as again:
        assert again


def test_an_input_that_leads_out_of_the_session_is_not_opened(
    new_session: Make, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    session = new_session()
    record = session.record()
    for name in ("../../secret", "/etc/passwd", "", "..", "nothing.jpg"):
        (session.path / "process.json").write_text(json.dumps(record | {"input_image": name}))
        with pytest.raises(NotFound):
            session.input_path  # noqa: B018
    os.symlink(secret, session.path / "link.jpg")
    (session.path / "process.json").write_text(json.dumps(record | {"input_image": "link.jpg"}))
    with pytest.raises(NotFound):
        session.input_path  # noqa: B018


def test_a_session_appears_whole_or_not_at_all(sessions: Path) -> None:
    """A reader that scans without pause never finds a session without its files."""
    stop, bad = threading.Event(), []

    def scan() -> None:
        while not stop.is_set():
            for name in os.listdir(sessions):
                if NAME.fullmatch(name):
                    try:
                        json.loads((sessions / name / "process.json").read_bytes())
                        assert (sessions / name / "input.jpg").stat().st_size == 50_000
                    except Exception as error:
                        bad.append(error)

    reader = threading.Thread(target=scan)
    reader.start()
    for _ in range(100):
        Session.create(sessions, "image_classification", Upload(b"x" * 50_000, ".jpg"))
    stop.set()
    reader.join()
    assert bad == []


def test_a_refused_write_leaves_nothing(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError):
        Session.create(sessions, "image_classification", Upload(b"x", ".jpg"))
    assert list(sessions.iterdir()) == []


def test_removal_frees_the_bytes_and_follows_no_link(new_session: Make, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    session = new_session()
    os.symlink(outside, session.path / "link")
    assert session.remove() > 0
    assert not session.path.exists()
    assert (outside / "keep").exists()
    with pytest.raises(NotFound):
        session.record()
    assert not list(session.path.parent.iterdir())


def test_age_is_that_of_the_last_change(new_session: Make) -> None:
    session = new_session()
    assert session.age(time.time()) < 5
    os.utime(session.path, (1000, 1000))
    assert session.age(1500) == 500
    shutil.rmtree(session.path)
    with pytest.raises(NotFound):
        session.age(0)
