"""An installation to measure: `scai up` in temporary folders, and the usage of its processes."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from scai.settings import ROOT

# Seconds until an installation must be ready, and until it must have ended.
_READY = 90.0
_END = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")
# Roles by text of their command line; other processes are the supervisor.
ROLES = {
    "portal": "index.py",
    "classification worker": "workers.image_classification",
    "detection worker": "workers.object_detection",
}
SUPERVISOR = "supervisor"
_PR_SET_PDEATHSIG = 1


@dataclass
class Usage:
    """Usage of the processes of one role: MB (10^6 bytes), seconds of processor time.

    `pss` shares out memory that several processes map, `uss` is what one alone holds.
    """

    pss: float = 0.0
    rss: float = 0.0
    uss: float = 0.0
    cpu: float = 0.0
    descriptors: int = 0
    threads: int = 0


class Site:
    """`scai up` of the checkout `tree` on a free port; `folder` holds its sessions, queue and log.

    It is ready when constructed. Raises click.ClickException, with the last lines of the log, if it
    does not become ready.
    """

    def __init__(self, folder: Path, tree: Path = ROOT, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self._log = folder / "log.txt"
        own = {
            "SCAI_SESSIONPATH": folder / "session",
            "SCAI_ICPOOLPATH": folder / "pooling" / "image_classification",
            "SCAI_ODPOOLPATH": folder / "pooling" / "object_detection",
            "SCAI_HOST": self.address[0],
            "PYTHONPATH": tree,
        }
        self.process = start(
            [sys.executable, "-m", "scai.cli", "up", "--port", str(self.port)],
            tree,
            {**{name: str(value) for name, value in own.items()}, **environment},
            self._log,
        )
        try:
            wait_for("is ready at", self._log, self.process)
        except BaseException:
            self.stop()
            raise

    def usage(self) -> dict[str, Usage]:
        """Measure the usage of each role, its descendants included."""
        usages = {SUPERVISOR: usage([self.process.pid])}
        for child in children(self.process.pid):
            line = command_line(child)
            for role, word in ROLES.items():
                if word in line:
                    usages[role] = usage([child, *descendants(child)])
        return usages

    def stop(self) -> None:
        """End the installation and all its processes."""
        end(self.process)


def start(
    command: list[str], folder: Path, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a server as a process group that ends with this process."""
    parent = os.getpid()
    libc = ctypes.CDLL(None)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tie if sys.platform.startswith("linux") else None,
        )


def wait_for(
    word: str, log: Path, process: subprocess.Popen[bytes], seconds: float = _READY
) -> None:
    """Wait until the log holds the word. Raises click.ClickException with its last lines."""
    deadline = time.monotonic() + seconds
    while word not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise click.ClickException(f"the server did not get ready:\n{last}")
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and later SIGKILL to the remaining processes."""
    left = [(pid, _born(pid)) for pid in descendants(process.pid)]
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid, born in left:
        # The id may belong to another process by now.
        if born and _born(pid) == born:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def usage(pids: list[int]) -> Usage:
    """Measure the usage of these processes together; ended processes use nothing."""
    total = Usage()
    for pid in pids:
        try:
            _add(total, Path(f"/proc/{pid}"))
        except (OSError, ValueError):
            continue
    return total


def _add(total: Usage, process: Path) -> None:
    sizes = {"Pss": 0, "Rss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for line in (process / "smaps_rollup").read_text().splitlines()[1:]:
        name, _, size = line.partition(":")
        if name in sizes:
            sizes[name] = int(size.split()[0])
    after_name = (process / "stat").read_text().rpartition(")")[2].split()
    total.pss += sizes["Pss"] * 1024 / 1e6
    total.rss += sizes["Rss"] * 1024 / 1e6
    total.uss += (sizes["Private_Clean"] + sizes["Private_Dirty"]) * 1024 / 1e6
    total.cpu += (int(after_name[11]) + int(after_name[12])) / _TICKS
    total.threads += int(after_name[17])
    total.descriptors += len(os.listdir(process / "fd"))


def processor_seconds() -> float:
    """Return the processor seconds of all programs since the machine was started."""
    user, nice, system, _, _, irq, softirq, steal, *_ = (
        int(ticks) for ticks in Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def children(pid: int) -> list[int]:
    """List the child processes of a process."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """List all descendants of a process."""
    return [process for child in children(pid) for process in [child, *descendants(child)]]


def command_line(pid: int) -> str:
    """Return the command line of a process, "" when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _born(pid: int) -> str:
    """Return the start time of a process in kernel ticks; "" for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
