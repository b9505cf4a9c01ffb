"""The whole server as real processes: what users and operators see, what survives kill -9."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.helpers import picture, wait_until
from support.live import IC, OBJECTS, OD, Live, alive, digit, kill

from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT
from scai.storage.disk import Disk
from scai.storage.session import Session, Upload

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("routes", [IC, OD], ids=["classification", "detection"])


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Live]:
    """An installation to be broken: one that classifies only, with an engine without a model."""
    running = Live(tmp_path, SCAI_OD_WORKERS="0", **fake_models(tmp_path))
    try:
        yield running.wait_ready()
    finally:
        running.stop()


def fake_models(folder: Path) -> dict[str, str]:
    (folder / "labels.txt").write_text("black\ndark\ngrey\nlight\nwhite\n")
    (folder / "image_classification.config").write_text(
        "[default]\nENGINE = fake\nLABELS = labels.txt\n"
    )
    return {"SCAI_ICCONFIG": str(folder / "image_classification.config")}


def test_a_killed_worker_is_replaced_and_every_success_gets_its_verdict(own: Live) -> None:
    """Uploads go on while the worker is killed again and again, mostly in mid-batch."""
    answers: list[dict] = []

    def upload() -> None:
        for _ in range(60):
            answers.append(own.post(IC.upload, picture()))

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    kills = 0
    while any(thread.is_alive() for thread in threads):
        for pid in own.pids("workers.image_classification"):
            os.kill(pid, signal.SIGKILL)
            kills += 1
        threads[0].join(0.5)
    for thread in threads:
        thread.join()
    assert kills >= 1
    assert all(answer["status"] == "success" for answer in answers)
    states = [own.result(IC.result, answer, wait=60)["state"] for answer in answers]
    assert set(states) <= {"complete", "failure"}
    assert states.count("complete") >= len(states) - 8  # one batch at most was killed three times
    assert own.log_lines(r"image_classification died \(killed by SIGKILL\); started again in")


def test_a_dead_workers_claims_come_back_by_themselves(own: Live) -> None:
    [pid] = own.pids("workers.image_classification")
    os.kill(pid, signal.SIGSTOP)
    answers = [own.post(IC.upload, picture()) for _ in range(3)]
    os.kill(pid, signal.SIGCONT)
    claimed = own.pools[IC.name] / ".claimed"
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid) and not any(f"-{pid}-" in n for n in os.listdir(claimed)))
    assert all(own.result(IC.result, answer)["state"] == "complete" for answer in answers)


def answers(running: Live) -> bool:
    try:
        return requests.get(running.url + "/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def test_a_killed_portal_comes_back_and_has_lost_nothing_it_answered(own: Live) -> None:
    [worker] = own.pids("workers.image_classification")
    os.kill(worker, signal.SIGSTOP)
    answer = own.post(IC.upload, picture())
    kill(own.pids("index.py"))
    os.kill(worker, signal.SIGCONT)

    wait_until(lambda: answers(own), 20, "the portal is back")
    assert own.result(IC.result, answer)["state"] == "complete"


def test_two_workers_share_a_thousand_tickets_and_none_is_run_twice(tmp_path: Path) -> None:
    # Given a thousand sessions whose tickets wait
    models = fake_models(tmp_path)
    root, pool = tmp_path / "session", tmp_path / "pooling" / IC.name
    root.mkdir()
    queue = DirectoryQueue(pool, IC.name, doorbell=False)
    upload = Upload(picture(), ".jpg")
    sessions = [Session.create(root, IC.name, upload, disk=Disk("off")) for _ in range(1000)]
    for session in sessions:
        (pool / session.name).touch()
    # When two workers start
    running = Live(tmp_path, SCAI_IC_WORKERS="2", SCAI_OD_WORKERS="0", **models).wait_ready()
    try:
        wait_until(lambda: not len(queue) and not queue.claims(), 120)
    finally:
        running.stop()
    # Then each session was run once, by one of them
    assert all(s.record()["state"] == "complete" for s in sessions)
    assert all(s.record()["attempts"] == 1 for s in sessions)
    runs = [line.split()[3] for line in running.log_lines(r"session d-\S+: \w+ \d+\.\d%, waited")]
    assert sorted(runs) == sorted(f"{s.name}:" for s in sessions)


def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    running = Live(tmp_path, SCAI_OD_WORKERS="0", **fake_models(tmp_path)).wait_ready()
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL  # and stop() found no process left


def test_a_background_job_of_a_shell_is_stopped_by_sigint(tmp_path: Path) -> None:
    """A shell starts `command &` with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        running = Live(tmp_path, SCAI_OD_WORKERS="0", **fake_models(tmp_path)).wait_ready()
    finally:
        signal.signal(signal.SIGINT, before)
    assert running.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_with_status_0_even_while_clients_wait(
    tmp_path: Path, how: int
) -> None:
    running = Live(tmp_path, SCAI_OD_WORKERS="0", SCAI_IC_WORKERS="0").wait_ready()
    answer = running.post(IC.upload, digit())
    waiter = threading.Thread(target=swallow, args=(running, answer))
    waiter.start()
    assert running.stop(how, seconds=10) == 0, "\n".join(running.log)
    waiter.join()
    # What was accepted waits for the next start.
    assert os.listdir(running.pools[IC.name]).count(answer["sessname"]) == 1


def swallow(running: Live, answer: dict) -> None:
    try:
        running.result(IC.result, answer, wait=30)
    except (requests.RequestException, ValueError):
        pass


def test_a_portal_whose_port_was_taken_meanwhile_comes_back(own: Live) -> None:
    # So that it is not started again before we have the port.
    os.kill(own.process.pid, signal.SIGSTOP)
    kill(own.pids("index.py"))
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def bound() -> bool:
        try:
            taken.bind(("127.0.0.1", own.port))
        except OSError:
            return False
        return True

    try:
        try:
            wait_until(bound)
            taken.listen()
        finally:
            os.kill(own.process.pid, signal.SIGCONT)
        wait_until(lambda: own.log_lines("portal died .exit status 78"), 20)
    finally:
        taken.close()
    wait_until(lambda: answers(own), 30)
    assert own.post(IC.upload, picture())["status"] == "success"


def test_a_job_whose_process_cannot_begin_is_given_up(tmp_path: Path) -> None:
    """The models file vanishes under a running server: each process ends before it can claim."""
    environment = fake_models(tmp_path)
    running = Live(tmp_path, "--runningmode", "job", **environment).wait_ready()
    try:
        (tmp_path / "image_classification.config").unlink()
        answer = running.post(IC.upload, picture())
        result = running.result(IC.result, answer, wait=30)
        assert result["state"] == "failure"
        assert "3 processes could not begin to run it" in result["message"]
        # The log comes by a pipe of its own, perhaps later than the answer.
        wait_until(lambda: len(running.log_lines("process of session .* exit status 78")) == 3)
    finally:
        assert running.stop() == 0


def test_a_stopped_job_process_is_no_orphan(tmp_path: Path) -> None:
    short = {"SCAI_STOP_GRACE": "2", **fake_models(tmp_path)}
    running = Live(tmp_path, "--runningmode", "job", **short).wait_ready()
    answer = running.post(IC.upload, picture())
    wait_until(lambda: running.pids(answer["sessname"]))
    for pid in running.pids(answer["sessname"]):
        os.kill(pid, signal.SIGSTOP)
    assert running.stop(seconds=10) == 0


def test_job_mode_answers_both_apis_and_leaves_nothing_running(tmp_path: Path) -> None:
    running = Live(tmp_path, "--runningmode", "job").wait_ready()
    try:
        assert running.pids("workers.") == []
        answers = [(r, running.post(r.upload, digit())) for r in (IC, OD, IC)]
        for routes, answer in answers:
            result = running.result(routes.result, answer, wait=60)
            assert result["state"] == "complete"
            first = result["predictions"][0]["label"]
            assert first == "3" if routes is OD else first in OBJECTS
        wait_until(lambda: running.pids("workers.") == [], 20)
        ready = requests.get(f"{running.url}/readyz", timeout=10)
        assert (ready.status_code, ready.json()["reasons"]) == (200, [])
    finally:
        assert running.stop() == 0


# Modules of decoders in which the word POISON in a picture ends the process that decodes.
POISONABLE_DECODER = """
import os
from scai.pictures.pixels import read_picture
def decode(data, *arguments):
    if b"POISON" in data:
        os.kill(os.getpid(), 9)
    return read_picture(data, *arguments)
"""
# A worker with that decoder, or one that dies when it makes the model's input of a black picture.
POISONABLE_WORKERS = {
    "decoder": """
import poisonable, workers.image_classification as program
from dataclasses import replace
from scai.pictures.header import probe
from scai.worker.decoding import DECODERS, Decoder
DECODERS["picture"] = Decoder(poisonable.decode, lambda *a: replace(probe(*a), one_pass=False))
program.main()
""",
    "worker": """
import os, workers.image_classification as program
prepare = program.ImageClassification.prepare
def deadly(self, pixels):
    if pixels.mean() < 5:
        os.kill(os.getpid(), 9)
    return prepare(self, pixels)
program.ImageClassification.prepare = deadly
program.main()
""",
}


@pytest.mark.parametrize("dies", ["decoder", "worker"])
def test_one_poisonous_picture_among_sixty_good_ones_is_given_up_and_no_other_job(
    tmp_path: Path, dies: str
) -> None:
    # Given tickets of sixty good pictures and, in their midst, a deadly one
    fake_models(tmp_path)
    (tmp_path / "poisonable.py").write_text(POISONABLE_DECODER)
    root, pool = tmp_path / "session", tmp_path / "pool"
    root.mkdir()
    queue = DirectoryQueue(pool, IC.name, doorbell=False)
    deadly = Upload(picture(color=(0, 0, 0)) + b"POISON", ".jpg")
    uploads = [Upload(picture(), ".jpg")] * 30 + [deadly]
    sessions = [Session.create(root, IC.name, upload) for upload in uploads + uploads[:30]]
    for session in sessions:
        queue.put(Job(session.name, IC.name))
    # When a worker is started again each time one dies
    command = [
        *(sys.executable, "-c", POISONABLE_WORKERS[dies]),
        *(f"--sesspath={root}", f"--poolingdir={pool}"),
        f"--config={tmp_path / 'image_classification.config'}",
    ]
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    deaths = 0
    while len(queue) or queue.claims():
        worker = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths}
        )
        wait_until(lambda w=worker: w.poll() is not None or not (len(queue) or queue.claims()), 60)
        if worker.poll() is None:
            worker.terminate()
            worker.wait(20)
        else:
            assert worker.returncode == -signal.SIGKILL
            deaths += 1
        queue.recover()
    # Then a poison of decoders ended helpers only, and any other three workers
    assert deaths == (3 if dies == "worker" else 0)
    results = [session.result() for session in sessions]
    assert [r["state"] for r in results].count("complete") == 60
    assert (results[30]["state"], results[30]["code"]) == ("failure", "worker_died")
    reason = "the worker died 3 times" if dies == "worker" else "ended 3 processes"
    assert reason in results[30]["message"]
    assert list(queue.held()) == [sessions[30].name]
    # And its first death was the only one that good pictures shared
    attempts = {session.record()["attempts"] for session in sessions if session != sessions[30]}
    assert attempts <= ({1, 2} if dies == "worker" else {1})
    queue.close()


# A decoder that computes for ever, of pictures that no look calls harmless.
ENDLESS_DECODER = """
def decode(data, *arguments):
    while True:
        pass
"""
ENDLESS_WORKER = """
import endless, workers.image_classification as program
from dataclasses import replace
from scai.pictures.header import probe
from scai.worker.decoding import DECODERS, Decoder
DECODERS["picture"] = Decoder(endless.decode, lambda *a: replace(probe(*a), one_pass=False))
program.main()
"""


def run_job(folder: Path, program: list[str], data: bytes, suffix: str) -> dict:
    """Run one session in job mode; its result."""
    fake_models(folder)
    root = folder / "session"
    root.mkdir()
    session = Session.create(root, IC.name, Upload(data, suffix))
    command = [
        *(sys.executable, *program, "--runningmode=job", f"--sessname={session.name}"),
        *(f"--sesspath={root}", f"--poolingdir={folder / 'pool'}"),
        f"--config={folder / 'image_classification.config'}",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "SCAI_DECODE_DEADLINE": "1",
    }
    assert subprocess.run(command, env=environment, timeout=60, cwd=folder).returncode == 0
    return session.result()


def test_a_process_of_job_mode_decodes_in_a_helper_what_is_not_harmless(tmp_path: Path) -> None:
    data = picture(format="PNG", color=(250, 250, 250))
    result = run_job(tmp_path, ["-m", "workers.image_classification"], data, ".png")
    assert result["predictions"][0]["label"] == "white"


def test_a_picture_that_takes_too_long_does_not_occupy_job_mode(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS_DECODER)
    result = run_job(tmp_path, ["-c", ENDLESS_WORKER], picture(), ".jpg")
    assert (result["state"], result["code"]) == ("failure", "too_expensive")


REFUSALS = [
    # environment, what the one sentence says
    ({"SCAI_ICCONFIG": "nowhere.config"}, r"nowhere\.config: no such configuration file"),
    ({"SCAI_USEDCONFIG": "nonsense"}, r"expected one of the sections .*, got 'nonsense'"),
    ({"SCAI_BATCH": "many"}, r"SCAI_BATCH: expected a whole number, got 'many'"),
]


@pytest.mark.parametrize(("environment", "sentence"), REFUSALS)
def test_a_wrong_setting_stops_the_start_with_one_sentence(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    running = Live(tmp_path, **environment)
    wait_until(lambda: running.process.poll() is not None, 30)
    running.stop()
    assert running.process.returncode != 0
    assert running.log_lines(sentence), "\n".join(running.log)
    assert not running.log_lines("Traceback")


def elsewhere(folder: Path) -> dict[str, str]:
    """Settings that keep run-time data out of the project's own folder."""
    names = ("SESSIONPATH", "ICPOOLPATH", "ODPOOLPATH")
    return {f"SCAI_{name}": str(folder / name) for name in names}


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in (["-m", "scai.cli", "up"], ["index.py"]):
            done = subprocess.run(
                [sys.executable, *command, "--port", port],
                capture_output=True,
                text=True,
                timeout=30,
                env=os.environ | elsewhere(tmp_path),
            )
            assert done.returncode != 0
            assert done.stderr == (
                f"scai: port {port} on 127.0.0.1 is in use; "
                "stop what listens there or choose another\n"
            )


def test_the_parts_start_by_hand(tmp_path: Path) -> None:
    """python -m workers.image_classification with the original's flags, on tickets from before."""
    fake_models(tmp_path)
    (tmp_path / "session").mkdir()
    pool = tmp_path / "pool"
    pool.mkdir()
    session = Session.create(tmp_path / "session", IC.name, Upload(picture(), ".jpg"))
    (pool / session.name).touch()
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "workers.image_classification"),
            *(f"--sesspath={tmp_path / 'session'}", f"--poolingdir={pool}"),
            f"--config={tmp_path / 'image_classification.config'}",
            *("--usedconfig=default", "--checktimeperoid=1"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: session.state == "complete", 30)
    finally:
        worker.terminate()
        _, log = worker.communicate(timeout=20)
    assert worker.returncode == 0, log
    assert os.listdir(pool / ".owners") == []


def test_wsgi_servers_find_the_application(tmp_path: Path) -> None:
    code = (
        "import run, index; from flask import Flask\n"
        "assert isinstance(run.application, Flask) and isinstance(index.app, Flask)\n"
        "print(run.application.test_client().get('/healthz').get_json())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | elsewhere(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.stdout == "{'status': 'ok'}\n", done.stderr
