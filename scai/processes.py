"""Start and end child processes, and read the system's facts about a process."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scai.errors import ConfigError

# The environment variable that names the parent to a child; see `die_with_parent`.
PARENT = "SCAI_PARENT_PID"
# The exit status of a program after a wrong setting or model, as in sysexits.h.
EXIT_CONFIG = 78
# The same after what may pass, such as a full disk.
EXIT_LATER = 75
# The exit status of a program that cannot go on because a part of it has failed, as in sysexits.h.
EXIT_BROKEN = 70
_PR_SET_PDEATHSIG = 1
_CODE = Path(__file__).resolve().parent.parent

Process = subprocess.Popen[bytes]


def child_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: ours with `changes`, this installation's code, and our pid."""
    path = os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **(changes or {}), PARENT: str(os.getpid()), "PYTHONPATH": path}


def start_child(
    command: Sequence[str],
    changes: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Process:
    """Start a program of ours in a session of its own, with an empty standard input.

    Ctrl-C reaches this process alone, so that it can end its children in order. `changes` are
    added to the environment; the child shares `descriptors`, by the same numbers. Raises OSError.
    """
    return subprocess.Popen(
        command,
        env=child_environment(changes),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=descriptors,
    )


def run_child(
    command: Sequence[str], text: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a program of ours with `text` as its standard input, and return its standard output.

    Kills it after `timeout` seconds and raises subprocess.TimeoutExpired.
    """
    return subprocess.run(
        command,
        input=text,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
        check=False,
    )


def end_children(children: Iterable[Process], grace: float) -> list[Process]:
    """Ask all children to stop, and kill those that still run `grace` seconds later.

    Returns the killed ones. None of the children runs afterwards.
    """
    children, stubborn = list(children), []
    for child in children:
        child.terminate()
    deadline = time.monotonic() + grace
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            stubborn.append(child)
    return stubborn


def describe_exit(code: int) -> str:
    """An exit status of `subprocess` in words: "exit status 3", "killed by SIGKILL"."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def die_with_parent() -> None:
    """Let SIGTERM stop this process when the SCAI process that started it dies in any way.

    Does nothing in a process that `start_child` or `run_child` did not start.
    """
    parent = os.environ.get(PARENT)
    if parent:
        tie_to(int(parent), signal.SIGTERM)


def is_left_behind(pid: int) -> bool:
    """Whether a process of this machine is ours and the process that started it is gone.

    The kernel has sent it SIGTERM by then. Linux only; False if that cannot be read.
    """
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    mark = f"{PARENT}=".encode()
    named = [entry.removeprefix(mark) for entry in environment if entry.startswith(mark)]
    # After the name in parentheses, which may hold anything, come the state and the parent.
    return bool(named) and named[0] != status.rpartition(")")[2].split()[1].encode()


def tie_to(parent: int, number: signal.Signals) -> None:
    """Let the kernel send the signal to this process when its parent dies. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def memory(pid: int) -> int | None:
    """Bytes of memory of a process on this machine; None without such a process or /proc.

    Shared memory counts in part where the kernel says how much (PSS), else in full (RSS).
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # somebody else's process, or an old kernel
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def processor_time(pid: int) -> float | None:
    """Seconds of processor time that a process has used; None without such a process or /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # Behind the name, which may hold blanks and brackets, follow the fields from 3 on.
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def address_of(host: str, port: int) -> str:
    """The URL of a server's first page."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def check_port(host: str, port: int) -> None:
    """Raise ConfigError unless a server can listen on that address now."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"port {port} on {host} is in use; stop what listens there or choose another"
        else:
            problem = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise ConfigError(problem) from error
