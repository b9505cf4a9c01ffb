"""A portal without workers, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from scai.settings import ROOT
from support.helpers import wait_until
from support.ports import free_port


@dataclass(frozen=True)
class LonePortal:
    """Where it listens on loopback, the folder of its sessions, and the process that answers."""

    port: int
    sessions: Path
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def lone_portal(folder: Path, **environment: str) -> Iterator[LonePortal]:
    """Run one with these environment variables during the block."""
    port = free_port()
    variables = {
        **os.environ,
        "SCAI_SESSIONPATH": str(folder / "session"),
        "SCAI_ICPOOLPATH": str(folder / "ic"),
        "SCAI_ODPOOLPATH": str(folder / "od"),
        **environment,
    }
    command = [sys.executable, str(ROOT / "index.py"), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=variables)

    def answers() -> bool:
        assert process.poll() is None, "the portal ended"
        try:
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, 60, "the portal answers")
        status = requests.get(f"http://127.0.0.1:{port}/status.json", timeout=20).json()
        yield LonePortal(port, folder / "session", status["portal"]["pid"])
    finally:
        process.terminate()
        process.wait(30)
