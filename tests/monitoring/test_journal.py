"""The journal of verdicts: written from many places, read with distrust, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.helpers import Clock

from scai.errors import BadImage, ScaiError, WorkerDied
from scai.monitoring.journal import FOLDER, MAX_AGE, MAX_LINE, MINUTE, Journal, JournalEntry
from scai.monitoring.last_hour import LastHour, per_minute, reasons, summary
from scai.settings import ROOT

NOW = 1_790_000_040.0  # the begin of a minute


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    journal = Journal(tmp_path, clock)
    yield journal
    journal.close()


@pytest.fixture
def hour(tmp_path: Path, clock: Clock) -> LastHour:
    return LastHour(tmp_path, clock)


def note(journal: Journal, clock: Clock, *took: float) -> None:
    for ms in took:
        entry = JournalEntry(clock.now, ms, ms / 2, 3.25, 1, "complete", "m", "fake")
        journal.note(lambda entry=entry: entry)


def failed(clock: Clock, message: str = "cut off", **details: str) -> Callable[[], JournalEntry]:
    return lambda: JournalEntry.failure(BadImage(message, **details), clock.now, 20.0)


def file_of(tmp_path: Path, moment: float) -> Path:
    return tmp_path / FOLDER / str(int(moment // MINUTE * MINUTE))


def test_what_is_noted_is_read(journal: Journal, hour: LastHour, clock: Clock) -> None:
    note(journal, clock, 10, 20, 1000)
    journal.note(failed(clock, stage="decode"))
    last = hour.minutes()[-1].to_dict()
    assert (last["time"], last["count"], last["failures"]) == (int(NOW), 4, 1)
    assert last["p50_ms"] == pytest.approx(20, rel=0.03)
    assert last["p95_ms"] == pytest.approx(1000, rel=0.03)
    assert last["waited_ms"] == pytest.approx(1030 / 2 / 4, abs=0.1)
    [why] = reasons(hour.minutes())
    assert (why.code, why.stage, why.reason, why.count) == ("bad_image", "decode", "cut off", 1)
    assert why.last == NOW


def test_there_are_always_sixty_minutes_and_without_verdicts_no_latency(hour: LastHour) -> None:
    minutes = hour.minutes()
    assert [minute.start for minute in minutes] == [int(NOW) - 60 * n for n in range(59, -1, -1)]
    assert summary(minutes) == {"count": 0, "failures": 0, "p50_ms": None, "p95_ms": None}
    assert per_minute(minutes, NOW) == 0


def test_an_entry_is_the_same_on_both_sides() -> None:
    entry = JournalEntry(NOW, 12.5, 1.5, 2.25, 8, "complete", "数字\ud800\n", "fake")
    line = entry.to_line()
    assert JournalEntry.from_line(line) == entry
    assert line.count(b"\n") == 1


def test_the_longest_line_is_written_in_one_piece() -> None:
    for character in ("\x00", "𝄞", "\ud800", '"'):
        long = character * 100_000
        error = ScaiError(long, stage=long)
        line = JournalEntry.failure(error, NOW, 1e11, 1e11, model=long).to_line()
        assert len(line) < MAX_LINE
        assert JournalEntry.from_line(line) is not None


def test_no_path_and_no_name_or_key_of_a_session_gets_into_a_reason() -> None:
    key = "0123456789" * 4
    message = f"/srv/scai/usr/digits.tflite: session d-20261121-{key}, key {key}, is bad"
    reason = JournalEntry.failure(WorkerDied(message), NOW, 1).reason
    assert "/srv" not in reason and key not in reason
    assert "digits.tflite" in reason and "is bad" in reason


HOSTILE_LINES = [
    b"",
    b"nonsense",
    b"{}",
    b"[1790000040.0,10.0,5.0,3.25,1,",
    b'[1790000040.0,10.0,5.0,3.25,1,"complete","m"]',
    b'["x",10.0,5.0,3.25,1,"complete","m","e"]',
    b'[1790000040.0,NaN,5.0,3.25,1,"complete","m","e"]',
    b'[1790000040.0,1e999,5.0,3.25,1,"complete","m","e"]',
    b'[1790000040.0,-5,5.0,3.25,1,"complete","m","e"]',
    b'[1790000040.0,true,5.0,3.25,1,"complete","m","e"]',
    b'[1790000040.0,10.0,5.0,3.25,1,"complete",[],"e"]',
    b'[1790000040.0,10.0,5.0,3.25,1,"complete","' + b"m" * 5000 + b'","e"]',
    b"[" * 3000,
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("line", HOSTILE_LINES, ids=lambda line: str(line[:40]))
def test_a_broken_line_costs_only_itself(
    line: bytes, journal: Journal, hour: LastHour, clock: Clock, tmp_path: Path
) -> None:
    note(journal, clock, 10)
    with file_of(tmp_path, NOW).open("ab") as file:
        file.write(line + b"\n")
    note(journal, clock, 20)
    assert hour.minutes()[-1].count == 2


def test_half_a_line_counts_when_its_end_has_come(
    journal: Journal, hour: LastHour, clock: Clock, tmp_path: Path
) -> None:
    note(journal, clock, 10)
    line = JournalEntry(NOW, 10.0).to_line()
    with file_of(tmp_path, NOW).open("ab", buffering=0) as file:
        file.write(line[:9])
        assert hour.minutes()[-1].count == 1
        file.write(line[9:])
        assert hour.minutes()[-1].count == 2


def test_a_file_of_rubbish_without_line_ends_does_not_hide_what_follows(
    hour: LastHour, tmp_path: Path
) -> None:
    file = file_of(tmp_path, NOW)
    file.parent.mkdir()
    file.write_bytes(b"x" * 600_000 + b"\n" + JournalEntry(NOW, 10.0).to_line())
    assert hour.minutes()[-1].count == 1


def test_what_is_no_plain_file_is_left_alone(
    hour: LastHour, journal: Journal, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / FOLDER).mkdir()
    os.mkfifo(file_of(tmp_path, NOW))
    (tmp_path / "elsewhere").write_bytes(JournalEntry(NOW, 10.0).to_line())
    file_of(tmp_path, NOW - 60).symlink_to(tmp_path / "elsewhere")
    file_of(tmp_path, NOW - 120).mkdir()
    assert summary(hour.minutes())["count"] == 0
    note(journal, clock, 10)  # into the pipe that nobody reads
    clock.now -= 60
    note(journal, clock, 10)
    assert journal.losses == 2
    assert (tmp_path / "elsewhere").read_bytes().count(b"\n") == 1


def test_a_new_minute_gets_a_new_file_and_the_old_ones_go(
    journal: Journal, clock: Clock, tmp_path: Path
) -> None:
    for _ in range(3):
        note(journal, clock, 10)
        clock.now += 60
    (tmp_path / FOLDER / "notes").touch()
    assert len(list((tmp_path / FOLDER).iterdir())) == 4
    clock.now += MAX_AGE
    note(journal, clock, 10)
    left = {file.name for file in (tmp_path / FOLDER).iterdir()}
    assert left == {"notes", str(int(clock.now))}


def test_what_a_clock_gone_wrong_left_in_the_future_goes_too(
    journal: Journal, clock: Clock, tmp_path: Path
) -> None:
    clock.now += 10 * MAX_AGE
    note(journal, clock, 10)
    clock.now = NOW
    note(journal, clock, 10)
    assert [file.name for file in (tmp_path / FOLDER).iterdir()] == [str(int(NOW))]


def test_a_finished_minute_is_read_no_more(
    journal: Journal, hour: LastHour, clock: Clock, tmp_path: Path
) -> None:
    note(journal, clock, 10, 20)
    clock.now += 66
    assert hour.minutes()[-2].count == 2
    file_of(tmp_path, NOW).unlink()
    assert hour.minutes()[-2].count == 2
    clock.now += 60 * 58
    assert hour.minutes()[0].count == 2
    clock.now += 60
    assert summary(hour.minutes())["count"] == 0


def test_a_line_that_comes_just_after_its_minute_is_counted(
    journal: Journal, hour: LastHour, clock: Clock, tmp_path: Path
) -> None:
    note(journal, clock, 10)
    clock.now += 62
    assert hour.minutes()[-2].count == 1
    with file_of(tmp_path, NOW).open("ab") as file:
        file.write(JournalEntry(NOW, 10.0).to_line())
    clock.now += 4
    assert hour.minutes()[-2].count == 2


def test_of_the_running_minute_only_what_is_new_is_read(
    journal: Journal, hour: LastHour, clock: Clock, tmp_path: Path
) -> None:
    note(journal, clock, 10, 20)
    assert hour.minutes()[-1].count == 2
    before = file_of(tmp_path, NOW).read_bytes()
    file_of(tmp_path, NOW).write_bytes(b"!" * len(before))
    note(journal, clock, 30)
    assert hour.minutes()[-1].count == 3


def test_the_rate_looks_back_over_sixty_seconds(
    journal: Journal, hour: LastHour, clock: Clock
) -> None:
    note(journal, clock, *[10] * 60)
    clock.now += 75
    note(journal, clock, *[10] * 10)
    assert per_minute(hour.minutes(), clock.now) == 10 + 60 * 0.75


def test_many_reasons_need_no_more_memory_than_a_hundred(
    journal: Journal, hour: LastHour, clock: Clock
) -> None:
    for number in range(1000):
        journal.note(failed(clock, f"reason {number}"))
    found = reasons(hour.minutes())
    assert len(found) <= 100
    assert sum(each.count for each in found) == 1000


def test_a_turn_reads_a_bounded_part_the_latest_minutes_first(
    hour: LastHour, tmp_path: Path
) -> None:
    (tmp_path / FOLDER).mkdir()
    line = JournalEntry(NOW, 10.0, model="m" * 80).to_line()
    for ago in (0, 60, 120):
        file_of(tmp_path, NOW - ago).write_bytes(line * 15_000)
    first = [minute.count for minute in hour.minutes()[-3:]]
    assert first[2] == 15_000 and sum(first) < 45_000
    for _ in range(3):
        counts = [minute.count for minute in hour.minutes()[-3:]]
    assert counts == [15_000] * 3


WRITER = """
import sys, time
from pathlib import Path
from scai.monitoring.journal import JournalEntry, Journal
journal = Journal(Path(sys.argv[1]), lambda: float(sys.argv[2]))
for number in range(2000):
    journal.note(lambda: JournalEntry(float(sys.argv[2]), 10.0, model="m" * (number % 80)))
assert journal.losses == 0
"""


def test_many_processes_append_at_once_and_no_line_is_torn(hour: LastHour, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(NOW)]
    writers = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = file_of(tmp_path, NOW).read_bytes().splitlines()
    assert len(lines) == 8000 and all(JournalEntry.from_line(line) for line in lines)
    assert hour.minutes()[-1].count == 8000
