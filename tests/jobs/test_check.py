"""A check finds what is wrong and nothing else; a repair puts it right, however often it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damage import OTHER, Damaged, assert_right, look, places
from support.helpers import KIND
from support.killing import at_each_change
from support.working import Installation

from scai.jobs.check.run import repair
from scai.jobs.check.sessions import RESULT_REASON
from scai.jobs.holds import Holds
from scai.storage.disk import Disk


def test_each_fault_is_found_under_its_name_and_no_other(tmp_path: Path) -> None:
    broken = Damaged(tmp_path / "place")
    found = {finding.subject: finding.code for finding in look(broken.place, broken.now)}
    assert found == {broken.names[role]: code for role, code in broken.expected.items()}


def test_looking_changes_nothing(tmp_path: Path) -> None:
    broken = Damaged(tmp_path / "place")
    before = sorted(map(str, tmp_path.rglob("*")))
    first = look(broken.place, broken.now)
    assert look(broken.place, broken.now) == first
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_after_a_repair_all_is_right_and_a_worker_ends_what_waits(tmp_path: Path) -> None:
    broken = Damaged(tmp_path / "place")
    assert len(look(broken.place, broken.now, act=True)) == len(broken.expected)
    assert_right(broken)
    with broken.place.queue() as queue:
        assert queue.hold_reason(broken.names["held"]) == "a reason"
        assert queue.hold_reason(broken.names["torn result"]) == RESULT_REASON
        broken.place.work(queue)
    for role in ("waits", "lost", "abandoned", "elsewhere"):
        assert broken.session(role).state == "complete"


@pytest.mark.slow
def test_a_repair_that_dies_at_any_change_is_ended_by_the_next(tmp_path: Path) -> None:
    broken = Damaged(tmp_path / "place")

    def end(change: int) -> None:
        nonlocal broken
        look(broken.place, broken.now, act=True)
        assert_right(broken)
        shutil.rmtree(tmp_path / "place")
        broken = Damaged(tmp_path / "place")

    assert at_each_change(lambda: look(broken.place, broken.now, act=True), end) > 20


def test_a_repair_may_die_again_and_again(tmp_path: Path) -> None:
    broken = Damaged(tmp_path / "place")
    for _ in range(3):
        at_each_change(lambda: look(broken.place, broken.now, act=True), lambda change: None)
    assert_right(broken)


def test_what_is_under_way_is_no_fault(tmp_path: Path) -> None:
    place = Installation(tmp_path / "place")
    now = time.time()
    with place.queue() as queue, place.queue(OTHER):
        # A foreign client between its session and its ticket, and one whose ticket came first
        early = place.session()
        queue.place("d-20261130-%040x" % (int(now * 1000) << 112))
        # A job that somebody works on, also one whose ticket was put anew
        busy = place.session(queue=queue)
        [claim] = [one for one in queue.claim(9, 0) if one.job.session == busy.name]
        assert [finding for finding in look(place, now) if finding.subject != early.name] == []
        # A session that somebody holds, an upload that goes on, a draft that is young
        lost = place.session()
        (place.root / ".new-x").mkdir()
        (lost.path / ".process.json.1-2").touch()
        held = os.open(lost.path, os.O_RDONLY)
        going_on = os.open(place.root / ".new-x", os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.flock(going_on, fcntl.LOCK_EX)
        later = now + 7200
        subjects = {finding.subject for finding in look(place, later)}
        assert not subjects & {lost.name, str(place.root / ".new-x")}
        os.close(held)
        os.close(going_on)
        assert {early.name, lost.name, str(place.root / ".new-x")} <= {
            finding.subject for finding in look(place, later)
        }
        claim.done()


def test_the_ticket_of_a_job_that_is_claimed_goes_and_the_claim_stays(tmp_path: Path) -> None:
    place = Installation(tmp_path / "place")
    with place.queue() as queue:
        session = place.session(queue=queue)
        [claim] = queue.claim(1, 0)
        queue.place(session.name)
        later = time.time() + 7200
        assert [finding.code for finding in look(place, later, act=True)] == ["double"]
        assert places(place.pool, session.name) == ["claimed"]
        claim.give_back()
        assert look(place, later) == []


@pytest.mark.parametrize("how", ["empty", "missing", "unreadable"])
def test_no_repair_ends_all_jobs_because_the_sessions_are_not_mounted(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Installation(tmp_path / "place")
    with place.queue() as queue, place.queue(OTHER):
        waits, held = place.session(queue=queue), place.session()
        queue.hold(held.name, "a reason")
        later = time.time() + 7200
        place.root.rename(tmp_path / "elsewhere")
        if how != "missing":
            place.root.mkdir()
        with monkeypatch.context() as patches:
            if how == "unreadable":
                patches.setattr(os, "lstat", unreadable(place.root, os.lstat))
                with pytest.raises(OSError):
                    look(place, later, act=True)
            else:
                [finding] = look(place, later)
                assert (finding.code, finding.subject) == ("no_sessions", str(place.root))
                assert "(1 waiting, 1 on hold)" in finding.about
                assert repair(finding) == "a person must look at it"
        if how != "missing":
            place.root.rmdir()
        (tmp_path / "elsewhere").rename(place.root)
        assert queue.waits(waits.name) and queue.hold_reason(held.name) == "a reason"
        assert look(place, later) == []


def test_a_repair_stops_when_the_sessions_go_in_its_middle(tmp_path: Path) -> None:
    place = Installation(tmp_path / "place")
    with place.queue() as queue, place.queue(OTHER):
        place.session(queue=queue)
        queue.place(f"d-20200101-{1:040x}")
        queue.hold(f"d-20200101-{2:040x}", "a reason")
        findings = look(place, time.time())
        place.root.rename(tmp_path / "elsewhere")
        place.root.mkdir()
        assert [finding.code for finding in findings] == ["no_session"] * 2
        assert all("holds no session any more" in repair(finding) for finding in findings)
        assert len(queue) == 2 and len(queue.held_sessions()) == 1


def unreadable(folder: Path, real: Callable[..., Any]) -> Callable[..., Any]:
    """An lstat on a disk with errors below a folder."""

    def lstat(path: Any, **named: Any) -> Any:
        if os.fspath(path).startswith(f"{folder}/"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, **named)

    return lstat


def test_a_record_that_is_being_written_is_no_debris(tmp_path: Path) -> None:
    place = Installation(tmp_path / "place")
    with place.queue() as queue:
        session = place.session(queue=queue)
        with Disk("off").drafts(session.path, {"process.json": b"{}"}) as drafts:
            assert look(place, time.time() + 60) == []
            [finding] = look(place, time.time() + 7200)
            assert finding.subject in drafts.paths.values()


def test_a_kind_that_is_not_installed_is_told_and_left(tmp_path: Path) -> None:
    place = Installation(tmp_path / "place")
    session = place.session("face_recognition")
    [finding] = look(place, time.time() + 7200)
    assert (finding.code, finding.repair) == ("no_kind", None)
    assert repair(finding) != ""
    assert session.state == "initialization"


def test_damage_that_is_held_can_be_released_and_gets_its_new_result(tmp_path: Path) -> None:
    broken = Damaged(tmp_path / "place")
    look(broken.place, broken.now, act=True)
    with broken.place.queue() as queue:
        Holds(broken.place.root, {KIND: queue}, disk=Disk("off")).release(
            broken.names["torn result"]
        )
        broken.place.work(queue)
    session = broken.session("torn result")
    assert session.result()["predictions"]
    assert session.has_readable_result()
