"""Fuzz a target in a process of its own, which a bug in a decoder may end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scai.settings import ROOT
from support.fuzzing.__main__ import LAST
from support.fuzzing.engine import LastInput

# Seconds beyond its own time after which a process hangs.
PATIENCE = 120


def fuzz(target: str, seconds: float, seed: int, folder: Path) -> tuple[str, list[str]]:
    """What the process printed, and its findings: each a file with the input, and the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "support.fuzzing",
        target,
        str(seconds),
        str(seed),
        str(folder),
    ]
    paths = os.pathsep.join((str(ROOT / "tests"), str(ROOT)))
    try:
        child = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=seconds + PATIENCE,
        )
        ended, status = child.stderr[-2000:], child.returncode
    except subprocess.TimeoutExpired:
        ended, status = "it hangs", -1
    findings = [f"{file.with_suffix('')}\n{file.read_text()}" for file in folder.glob("*.txt")]
    if status != len(findings):
        last = folder / f"{target}-killed"
        last.write_bytes(LastInput.read(folder / LAST))
        findings.append(f"{last}\nthe process ended with status {status}: {ended}")
    return ("" if status < 0 else child.stdout.strip()), findings
