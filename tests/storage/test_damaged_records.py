"""Records that a disk or a crash damaged: seen as such, kept, and never believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.helpers import KIND

from scai.errors import BadSession, ScaiError
from scai.storage import damaged
from scai.storage.disk import Disk
from scai.storage.json_files import SEAL, read_record, seal, to_json
from scai.storage.session import Session

Make = Callable[..., Session]
VERDICT = {"predictions": [{"label": "cat", "index": 1, "score": 0.75}], "model": "default"}


def flips(data: bytes) -> Iterator[bytes]:
    """The data with each of its bits flipped, one at a time."""
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            yield bytes(flipped)


def tears(data: bytes) -> Iterator[bytes]:
    """The data cut at each length, with and without zeros behind; and a middle part of zeros."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at].ljust(len(data), b"\0")
        yield data[:at] + bytes(min(16, len(data) - at)) + data[at + 16 :]


def read(file: Path, data: bytes) -> dict[str, Any] | None:
    """What a reader gets of a file with that content; None if it is told to be damaged."""
    file.write_bytes(data)
    try:
        return read_record(str(file))
    except BadSession:
        return None


@pytest.mark.parametrize("name", ["process.json", "result.json"])
@pytest.mark.parametrize("damage", [flips, tears])
def test_no_damage_to_what_we_wrote_is_read_as_anything_else(
    new_session: Make, name: str, damage: Callable[[bytes], Iterator[bytes]]
) -> None:
    session = new_session(model="default", threshold=0.5)
    session.complete(VERDICT, text="{}")
    file = session.path / name
    data = file.read_bytes()
    right = read(file, data)
    assert right is not None
    assert not right.keys() & set(SEAL)
    answers = [read(file, bad) for bad in damage(data)]
    assert all(answer in (right, None) for answer in answers)
    # What is left of the last line alone may be lost: then the rest is as it was.
    assert sum(answer is None for answer in answers) > len(answers) * 0.8


def test_a_record_is_json_of_one_line_a_key_that_ends_in_its_length_and_checksum(
    new_session: Make,
) -> None:
    data = (new_session().path / "process.json").read_bytes()
    *lines, last = data.split(b"\n")
    assert json.loads(data)["length"] == len(data) - len(last) - len(",\n")
    assert list(json.loads(data))[-2:] == list(SEAL)
    assert lines[1] == b' "state": "initialization",'


@pytest.mark.parametrize("encode", [json.dumps, lambda value: json.dumps(value, indent=1)])
def test_a_foreign_program_may_write_a_record_anew_with_or_without_our_keys(
    new_session: Make, encode: Callable[[object], str]
) -> None:
    session = new_session()
    file = session.path / "process.json"
    for record in (json.loads(file.read_bytes()), session.record()):
        file.write_text(encode(record | {"message": "by another program"}))
        assert session.record()["message"] == "by another program"
        assert not session.result().keys() & set(SEAL)
    assert session.start()["attempts"] == 1
    assert list(json.loads(file.read_bytes())).count("checksum") == 1


def test_a_damaged_record_opens_nothing_and_is_kept_when_it_is_replaced(
    new_session: Make,
) -> None:
    session = new_session()
    file, key = session.path / "process.json", str(session.first_record["key"])
    bad = file.read_bytes().replace(key.encode(), b"0" * 40)
    file.write_bytes(bad)
    for guess in (key, "0" * 40):
        with pytest.raises(BadSession, match="damaged"):
            session.keyed_record(guess, KIND)
    assert session.fail(ScaiError("its record is damaged"))
    assert session.state == "failure"
    assert session.keyed_record("0" * 40, KIND) is None
    [kept] = (session.path.parent / damaged.FOLDER).iterdir()
    assert kept.read_bytes() == bad
    assert kept.name.startswith(f"{session.name}.process.json.")


def test_a_damaged_result_is_told_instead_of_a_result(new_session: Make) -> None:
    session = new_session()
    session.complete(VERDICT)
    file = session.path / "result.json"
    file.write_bytes(file.read_bytes().replace(b"cat", b"dog"))
    answer = session.result()
    assert answer["code"] == "bad_session"
    assert "predictions" not in answer


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo])
def test_what_is_in_the_place_of_a_record_is_kept_whatever_it_is(
    new_session: Make, make: Callable[[Path], object]
) -> None:
    session = new_session()
    file = session.path / "process.json"
    file.unlink()
    make(file)
    assert session.fail(ScaiError("no record"))
    assert session.state == "failure"
    [kept] = (session.path.parent / damaged.FOLDER).iterdir()
    assert kept.name.startswith(f"{session.name}.process.json.")


def test_a_damaged_file_is_kept_once(new_session: Make) -> None:
    file = new_session().path / "process.json"
    assert damaged.keep(file, Disk("off")) == damaged.keep(file, Disk("off"))
    assert file.exists()
    file.unlink()
    assert damaged.keep(file, Disk("off")) is None


def test_the_checksum_is_written_once_whatever_the_record_holds() -> None:
    value = {"a": 1, "length": "mine", "checksum": None}
    assert seal(value).count(b"checksum") == 1
    assert json.loads(seal(value))["length"] == len(to_json({"a": 1})) - len("\n}")
