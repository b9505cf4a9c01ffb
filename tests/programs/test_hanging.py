"""Real processes that hang under load: each is replaced, and every photo gets its verdict."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.helpers import picture, wait_until
from support.live import IC, Live, alive, kill
from support.toy_kind import NAME, make_toy

from scai.queues.directory import DirectoryQueue
from scai.storage.session import Session, Upload

pytestmark = pytest.mark.slow


@pytest.fixture
def up(tmp_path: Path, fake_models: Path) -> Iterator[Live]:
    running = Live(
        tmp_path,
        SCAI_ICCONFIG=str(fake_models),
        SCAI_OD_WORKERS="0",
        SCAI_DURABILITY="off",
        SCAI_WORKER_TIMEOUT="2",
        SCAI_PORTAL_TIMEOUT="4",
    ).wait_ready()
    yield running
    running.stop()


def test_a_worker_that_is_stopped_under_load_is_replaced_and_no_photo_is_left_over(
    up: Live,
) -> None:
    [worker] = up.pids("workers.image_classification")
    answers = [up.post(IC.upload, picture()) for _ in range(10)]
    os.kill(worker, signal.SIGSTOP)
    answers += [up.post(IC.upload, picture()) for _ in range(30)]
    assert {up.result(IC.result, answer)["state"] for answer in answers} == {"complete"}
    assert not alive(worker)
    assert up.log_lines("image_classification has sent no heartbeat .* it is replaced")


def test_readiness_ends_with_recognition_and_comes_back_with_it(
    tmp_path: Path, fake_models: Path
) -> None:
    objects = tmp_path / "object_detection.config"
    objects.write_text("[default]\nENGINE = fake\nPATH_TO_LABELS = labels.txt\nLABEL_OFFSET = -1\n")
    running = Live(
        tmp_path,
        SCAI_ICCONFIG=str(fake_models),
        SCAI_ODCONFIG=str(objects),
        SCAI_READY_WITHIN="5",
    ).wait_ready()
    try:
        wait_until(lambda: readiness(running)[0] == 200, 30, "ready")
        [worker] = running.pids("workers.image_classification")
        os.kill(worker, signal.SIGSTOP)
        wait_until(lambda: readiness(running)[0] == 503, 30, "not ready")
        [reason] = readiness(running)[1]["reasons"]
        assert re.fullmatch(r"image_classification: no picture was recognised for \d+ s", reason)
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: readiness(running)[0] == 200, 30, "ready again")
    finally:
        running.stop()


def readiness(running: Live) -> tuple[int, dict[str, Any]]:
    answer = requests.get(f"{running.url}/readyz", timeout=10)
    return answer.status_code, answer.json()


def test_a_portal_that_hangs_is_replaced(up: Live) -> None:
    # The process that answers is the last one; its parent watches only whether it dies.
    serving = up.pids("index.py")[-1]
    answer = up.post(IC.upload, picture())
    os.kill(serving, signal.SIGSTOP)
    wait_until(lambda: up.log_lines("portal ended"), 60, "the portal is replaced")
    wait_until(lambda: answers(up.url), 20, "the portal answers again")
    assert not alive(serving)
    assert up.result(IC.result, answer)["state"] == "complete"


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def test_a_worker_whose_engine_thread_dies_ends_and_its_photos_get_their_verdicts(
    tmp_path: Path,
) -> None:
    # Given a kind whose first photo raises what nobody catches, in the engine's thread
    once = tmp_path / "once"
    once.touch()
    kinds = make_toy(tmp_path)
    program = kinds / f"{NAME}.py"
    # The canary that is recognised at the start is a square.
    is_photo = f"size[0] != size[1] and os.path.exists({str(once)!r})"
    fault = f"if {is_photo}: os.unlink({str(once)!r}); raise SystemExit"
    program.write_text(
        program.read_text()
        .replace("import click", "import os\nimport click")
        .replace("        best = int", f"        {fault}\n        best = int")
    )
    environment = {"SCAI_WORKERSPATH": str(kinds), "SCAI_DURABILITY": "off"}
    running = Live(tmp_path, SCAI_IC_WORKERS="0", SCAI_OD_WORKERS="0", **environment).wait_ready()
    try:
        # When photos come
        queue = DirectoryQueue(running.sessions.parent / "pooling" / NAME, NAME, doorbell=False)
        sessions = [
            Session.create(running.sessions, NAME, Upload(picture(), ".jpg"), queue=queue)
            for _ in range(5)
        ]
        # Then the worker ends with a line that says why, and another one does the work
        wait_until(lambda: all(s.state == "complete" for s in sessions), 60)
        assert running.log_lines(r"thread engine ended by SystemExit\(\); this worker ends")
        assert running.log_lines(r"day_or_night died \(exit status 70\)")
    finally:
        queue.close()
        running.stop()


def test_nothing_is_left_when_the_supervisor_is_killed(up: Live) -> None:
    pids = up.all_pids()
    assert len(pids) >= 3
    up.process.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids), 20, "all have ended")


def test_a_stopped_worker_of_a_killed_supervisor_is_ended_by_the_next_one(
    tmp_path: Path, fake_models: Path
) -> None:
    environment = {
        "SCAI_ICCONFIG": str(fake_models),
        "SCAI_OD_WORKERS": "0",
        "SCAI_DURABILITY": "off",
        "SCAI_STOP_GRACE": "2",
    }
    first = Live(tmp_path, **environment).wait_ready()
    [worker] = first.pids("workers.image_classification")
    os.kill(worker, signal.SIGSTOP)
    answers = [first.post(IC.upload, picture()) for _ in range(3)]
    first.process.kill()
    first.process.wait()
    assert alive(worker)
    second = Live(tmp_path, **environment).wait_ready()
    try:
        wait_until(lambda: not alive(worker), 30, "the worker that was left behind is ended")
        assert second.log_lines(f"worker {worker} was left behind and does not end; it is killed")
        states = {second.result(IC.result, answer)["state"] for answer in answers}
        assert states == {"complete"}
    finally:
        second.stop()
        kill([worker])
        first.kill()
