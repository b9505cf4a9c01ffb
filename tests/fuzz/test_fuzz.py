"""Whatever strangers send, the answer is a result or an error for people, in bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.fuzzing.__main__ import TARGETS
from support.fuzzing.engine import Fuzzer, LastInput, Target
from support.fuzzing.run import fuzz

from scai.settings import ROOT

# Inputs that once were findings, as TARGET-NAME; each was mended.
FOUND = sorted((ROOT / "tests/data/fuzz").glob("*-*"))


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_does_harm(
    target: str,
    tmp_path: Path,
    fuzz_seconds: float,
    fuzz_seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / target
    said, findings = fuzz(target, fuzz_seconds, fuzz_seed, folder)
    if fuzz_seconds > 60:
        with capsys.disabled():
            print(f"\nseed {fuzz_seed}, {said}", flush=True)
    assert not findings, f"seed {fuzz_seed}, inputs in {folder}:\n" + "\n\n".join(findings)
    assert said and ": 0 inputs" not in said


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name)
def test_what_was_found_once_does_no_harm_any_more(file: Path) -> None:
    TARGETS[file.name.split("-")[0]].run(file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_of_a_target_reach_its_code(target: str) -> None:
    fuzzer = Fuzzer(TARGETS[target], seed=1)
    count = len(fuzzer.corpus)
    for _ in range(count):
        fuzzer.step()
    assert not fuzzer.report.findings
    assert fuzzer.report.runs == count and fuzzer.report.features > 20


LETTERS = [bytes([letter]) for letter in range(97, 123)]


def maze(data: bytes) -> str:
    """Fails for one word that nobody guesses at once, only letter by letter."""
    if data[:1] == b"f":
        if data[1:2] == b"u":
            if data[2:3] == b"z":
                if data[3:4] == b"z":
                    raise ValueError("found")
    return "nothing"


def test_the_fuzzer_finds_its_way_by_coverage(tmp_path: Path) -> None:
    """Of 2^32 words of four letters, one is wrong; each right letter reaches a new line."""
    last = LastInput(tmp_path / "last")
    target = Target("maze", maze, lambda: [b"aaaa"], ("fuzz/test_fuzz.py",), LETTERS)
    fuzzer = Fuzzer(target, seed=3, last=last)
    for _ in range(100_000):
        fuzzer.step()
        if fuzzer.report.findings:
            break
    [(data, trace)] = fuzzer.report.findings
    assert data.startswith(b"fuzz") and "ValueError: found" in trace
    assert LastInput.read(tmp_path / "last") == data


def test_without_coverage_it_finds_nothing() -> None:
    """The coverage does it, and not luck."""
    fuzzer = Fuzzer(Target("maze", maze, lambda: [b"aaaa"], ("no/file.py",), LETTERS), seed=3)
    for _ in range(20_000):
        fuzzer.step()
    assert not fuzzer.report.findings and fuzzer.report.kept == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from support.fuzzing.engine import Fuzzer, LastInput, Target

def run(data):
    if data == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"

target = Target("deadly", run, lambda: [b"deadly", b"good"], ())
Fuzzer(target, 1, LastInput(Path(sys.argv[1]))).go(60)
"""


def test_a_process_that_is_killed_by_an_input_leaves_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "last")]
    paths = os.pathsep.join((str(ROOT / "tests"), str(ROOT)))
    child = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths})
    assert child.returncode == -signal.SIGKILL
    assert LastInput.read(tmp_path / "last") == b"deadly"
