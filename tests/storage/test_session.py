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
from scai.storage.disk import Disk
from scai.storage.session import NAME, Session, Upload, arrival_time, new_name

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
    assert arrival_time(names[7]) == pytest.approx(moments[7], abs=0.001)
    assert arrival_time("d-20180521-" + "ab" * 20) is None


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
    assert session.keyed_record(key, "image_classification") == session.record()
    assert session.keyed_record(key, "object_detection") is None
    assert session.keyed_record("", "image_classification") is None
    assert session.keyed_record("é" * 40, "image_classification") is None
    assert session.keyed_record(key[:-1], "image_classification") is None


def test_a_session_without_a_key_is_opened_by_nobody(new_session: Make) -> None:
    session = new_session()
    record = session.record() | {"key": ""}
    (session.path / "process.json").write_text(json.dumps(record))
    assert session.keyed_record("", "image_classification") is None


@pytest.mark.parametrize("key", [None, 5, {}, ["k"], ""])
def test_a_key_that_is_no_text_opens_nothing(new_session: Make, key: object) -> None:
    session = new_session()
    (session.path / "process.json").write_text(json.dumps(session.record() | {"key": key}))
    assert session.keyed_record(str(key), "image_classification") is None


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
    disk = Disk("off")
    for _ in range(100):
        Session.create(sessions, "image_classification", Upload(b"x" * 50_000, ".jpg"), disk=disk)
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
    assert session.age(time.time()) < 600
    os.utime(session.path, (1000, 1000))
    assert session.age(1500) == 500
    shutil.rmtree(session.path)
    with pytest.raises(NotFound):
        session.age(0)
