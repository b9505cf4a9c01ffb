"""A server on a disk that fills up: it refuses, waits, cleans, and heals by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import requests
from support.helpers import wait_until
from support.kinds import IC
from support.live import Live, digit
from support.small_disk import fill, small_disk

from scai.storage.space import space_of

# After a PNG's end anything may follow.
PHOTO = digit() + os.urandom(400_000)
FINAL = ("complete", "failure")


def start(disk: Path, *arguments: str, **environment: str) -> Live:
    values = {
        "SCAI_OD_WORKERS": "0",
        "SCAI_USEDCONFIG": "digits",
        "SCAI_KEEP_LEAST": "1s",
        "SCAI_DURABILITY": "off",
        **environment,
    }
    return Live(disk, *arguments, **values)


def upload_until_refused(live: Live) -> tuple[list[dict], requests.Response]:
    accepted = []
    for _ in range(200):
        answer = requests.post(live.url + IC.upload, files={"photo": ("a.png", PHOTO)}, timeout=30)
        if answer.status_code != 200:
            return accepted, answer
        accepted.append(answer.json())
    raise AssertionError("the disk never fills up")


def states(live: Live, answers: list[dict]) -> set[str]:
    return {live.result(IC.result, answer, wait=0).get("state", "none") for answer in answers}


@pytest.mark.slow
def test_a_full_disk_refuses_uploads_stops_no_program_and_heals(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        live = start(disk).wait_ready()
        try:
            # Given a worker that does nothing, so that all that is accepted waits
            [worker] = live.pids("workers.image_classification")
            os.kill(worker, signal.SIGSTOP)
            accepted, refusal = upload_until_refused(live)
            assert refusal.status_code == 507 and refusal.json()["code"] == "storage_full"
            assert 1 <= int(refusal.headers["Retry-After"]) <= 600
            assert len(accepted) > 20
            assert space_of(disk).free.bytes > 2_000_000, "a twentieth stays free"
            assert not [name for name in os.listdir(live.sessions) if name.startswith(".")]
            # When another program takes the last bytes
            filler = fill(disk)
            os.kill(worker, signal.SIGCONT)
            wait_until(lambda: live.log_lines("No space left"), what="the worker notices")
            assert states(live, accepted[:1]) <= {"initialization", "processing"}
            # Then nothing ends, and all get their verdicts once there is room
            filler.unlink()
            for answer in accepted:
                assert live.result(IC.result, answer)["state"] == "complete"
            assert live.pids("workers.image_classification") == [worker]
            assert live.process.poll() is None and not live.log_lines("exit status 78")
        finally:
            live.stop()


@pytest.mark.slow
def test_a_server_starts_on_a_full_disk_and_cleans_first(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        live = start(disk).wait_ready()
        try:
            accepted, _ = upload_until_refused(live)
            last = accepted[-1]
            wait_until(
                lambda: live.result(IC.result, last, wait=5).get("state") != "initialization"
            )
        finally:
            live.stop()
        fill(disk)
        # The disk is full to the last byte, and nobody makes room but the cleaner.
        live = start(disk).wait_ready()
        try:
            wait_until(lambda: live.post(IC.upload, PHOTO)["status"] == "success", 60)
            assert live.log_lines("younger ones removed for lack of room")
        finally:
            live.stop()


@pytest.mark.slow
def test_the_cleaner_comes_early_when_the_disk_is_short(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        live = start(disk).wait_ready()
        try:
            accepted, refusal = upload_until_refused(live)
            assert refusal.status_code == 507
            wait_until(lambda: live.post(IC.upload, PHOTO)["status"] == "success", 60)
            assert len(accepted) > 20
        finally:
            live.stop()


@pytest.mark.slow
def test_out_of_inodes_a_server_refuses_and_starts_all_the_same(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 100, inodes=300) as disk:
        live = start(disk).wait_ready()
        try:
            [worker] = live.pids("workers.image_classification")
            os.kill(worker, signal.SIGSTOP)
            accepted, refusal = upload_until_refused(live)
            assert refusal.status_code == 507 and len(accepted) > 20
            os.kill(worker, signal.SIGCONT)
            for answer in accepted:
                assert live.result(IC.result, answer)["state"] == "complete"
        finally:
            live.stop()
        # Somebody takes the last inodes.
        (disk / "files").mkdir()
        with pytest.raises(OSError):
            for number in range(1000):
                (disk / "files" / str(number)).touch()
        live = start(disk).wait_ready()
        try:
            wait_until(lambda: live.post(IC.upload, PHOTO)["status"] == "success", 60)
        finally:
            live.stop()


@pytest.mark.slow
def test_in_job_mode_a_full_disk_fails_no_photo(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        live = start(disk, "--runningmode", "job", SCAI_USEDCONFIG="default", SCAI_MAX_ATTEMPTS="1")
        live.wait_ready()
        try:
            accepted = [live.post(IC.upload, PHOTO) for _ in range(4)]
            filler = fill(disk)
            wait_until(lambda: live.log_lines("No space left"), what="a process notices")
            filler.unlink()
            for answer in accepted:
                assert live.result(IC.result, answer)["state"] == "complete"
        finally:
            live.stop()
