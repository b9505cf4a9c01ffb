"""Small facts about child processes that the supervisor and the job runner share."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys

from scai.errors import ConfigError

PARENT = "SCAI_PARENT_PID"
# The exit status of a program that a wrong setting or model stopped, as in sysexits.h.
EXIT_CONFIG = 78
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask to be stopped (SIGTERM) when the SCAI process that started this one dies, however.

    Does nothing unless that process put its pid into the environment.
    """
    parent = os.environ.get(PARENT)
    if parent:
        tie_to(int(parent), signal.SIGTERM)


def tie_to(parent: int, how: signal.Signals) -> None:
    """Let the kernel send `how` to this process when its parent, `parent`, dies. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:
        os.kill(os.getpid(), how)


def memory(pid: int) -> int | None:
    """Bytes of memory of a process on this machine; None when there is none such, or no /proc.

    What it shares with others counts in parts where the kernel tells (PSS), else in full (RSS).
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


def how_it_ended(code: int) -> str:
    """An exit status of `subprocess` in words: "exit status 3", "killed by SIGKILL"."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def address_of(host: str, port: int) -> str:
    """The URL of a server's first page."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def check_port(host: str, port: int) -> None:
    """Raises ConfigError, in one sentence, when nothing can listen on that address now."""
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
