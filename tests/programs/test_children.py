"""Child processes start, run and end as every program of ours expects."""

import json
import os
import signal
import subprocess
import sys

import pytest

from scai.processes import (
    PARENT,
    child_environment,
    describe_exit,
    end_children,
    run_child,
    start_child,
)
from scai.settings import ROOT

# Prints what a child sees of its start; its code is found without the current folder.
FACTS = """
import json, os, sys
from scai.settings import ROOT
print(json.dumps([os.environ["SCAI_PARENT_PID"], str(ROOT), sys.stdin.read()]))
"""
# Says when it ignores SIGTERM, and waits.
DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(os.environ["READY"]), b"x")
signal.pause()
"""


def test_a_child_knows_its_parent_and_imports_the_same_code(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_child([sys.executable, "-c", FACTS], "question", 30)
    assert json.loads(done.stdout) == [str(os.getpid()), str(ROOT), "question"]


def test_the_environment_keeps_what_was_there(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv(PARENT, "1")
    environment = child_environment({"SCAI_PORT": "1"})
    assert environment["PYTHONPATH"] == os.pathsep.join([str(ROOT), "/elsewhere"])
    assert environment[PARENT] == str(os.getpid())
    assert (environment["SCAI_PORT"], environment["PATH"]) == ("1", os.environ["PATH"])


def test_a_child_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_child([sys.executable, "-c", "import signal; signal.pause()"], "", 0.1)


def test_children_that_do_not_stop_are_killed() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    deaf = subprocess.Popen(
        [sys.executable, "-c", DEAF], env=os.environ | {"READY": str(writing)}, pass_fds=[writing]
    )
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.close(writing)
    meek = start_child([sys.executable, "-c", "import signal; signal.pause()"])
    assert os.getsid(meek.pid) != os.getsid(0)
    assert end_children([deaf, meek], 1.0) == [deaf]
    assert (deaf.returncode, meek.returncode) == (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-9, "killed by SIGKILL"),
        (-200, "killed by signal 200"),  # no such signal
    ],
)
def test_how_a_child_ended_is_said_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
