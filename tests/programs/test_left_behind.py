"""What a killed supervisor left behind ends, and nobody else does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helpers import wait_until

from scai.processes import PARENT, is_left_behind
from scai.programs.left_behind import LeftBehind
from scai.storage.lookout import Answer

HOST = socket.gethostname().partition(".")[0]
SLEEP = [sys.executable, "-c", "import signal; signal.pause()"]


def worker(pid: int, host: str = HOST, said: int | None = None) -> dict[str, object]:
    return {"id": f"{host}-{pid}-ab12", "pid": pid if said is None else said}


class Yard:
    """Processes 7 and 8 are left behind; `killed` are those that were ended."""

    def __init__(self) -> None:
        self.killed: list[tuple[int, int]] = []
        self._judge = LeftBehind(
            20,
            is_left_behind=lambda pid: pid in (7, 8),
            kill=lambda pid, number: self.killed.append((pid, number)),
        )

    def look(self, at: float, *workers: dict[str, object]) -> None:
        self._judge.look(Answer(list(workers), at))


def test_a_worker_that_is_left_behind_is_killed_after_its_grace() -> None:
    yard = Yard()
    for at in (0, 10, 19):
        yard.look(at, worker(7), worker(5))
    assert yard.killed == []
    yard.look(20, worker(7), worker(5))
    assert yard.killed == [(7, signal.SIGKILL)]


def test_one_that_ends_by_itself_is_forgotten() -> None:
    yard = Yard()
    yard.look(0, worker(7))
    yard.look(10)
    # The same number, given to another process.
    yard.look(20, worker(7))
    assert yard.killed == []


@pytest.mark.parametrize(
    "other", [worker(7, host="elsewhere"), worker(7, said=8), {"id": None}, {"pid": 7}], ids=str
)
def test_processes_of_other_machines_and_odd_facts_are_left_alone(other: dict[str, object]) -> None:
    yard = Yard()
    for at in (0, 30, 60):
        yard.look(at, other)
    assert yard.killed == []


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if name != PARENT}
    process = subprocess.Popen(SLEEP, env={**environment, **request.param})
    # Before that, its environment is still that of the test.
    wait_until(lambda: b"signal" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("child", "expected"),
    [({}, False), ({PARENT: str(os.getpid())}, False), ({PARENT: "1234567"}, True)],
    indirect=["child"],
    ids=["not ours", "its parent lives", "its parent is gone"],
)
def test_the_system_tells_whose_parent_is_gone(
    child: subprocess.Popen[bytes], expected: bool
) -> None:
    assert is_left_behind(child.pid) is expected


def test_a_process_that_is_not_there_is_not_left_behind() -> None:
    assert not is_left_behind(4_000_000)
