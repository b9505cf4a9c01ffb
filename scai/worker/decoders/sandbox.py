"""What a helper gives up before it reads a stranger's bytes; it can never get it back.

- Files and network: no new descriptor can be made (RLIMIT_NOFILE of 0), so neither a file nor a
  socket can be opened, whatever the code does. Nothing can be written beyond what is there
  (RLIMIT_FSIZE). Landlock denies what needs no descriptor, such as removing and renaming, and
  signals to other processes.
- Processes: no more of them, no more rights by running a program.
- Memory and processor time: RLIMIT_AS here, RLIMIT_CPU anew for each picture.
- Where the worker is root, the helper becomes nobody: root could lift its own limits.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import sys

_PR_SET_NO_NEW_PRIVS = 38
# The numbers of these calls are the same on every processor.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_VERSION = 1
# Landlock's version -> how many kinds of access to files it knows (linux/landlock.h).
_FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15}
_FILE_ACCESSES_NOW = 16
_NETWORK_ACCESSES = 0b11  # TCP: bind and connect, from version 4 on
_SCOPES = 0b11  # abstract sockets and signals, from version 6 on
NOBODY = 65534


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


def enter(memory: int) -> list[str]:
    """Give up everything but the open descriptors; `memory` is in bytes beyond what is in use.

    Returns what this system could do beyond the limits, such as ["landlock"].
    """
    gained = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    limit = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if _landlock(libc):
            gained.append("landlock")
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    if os.geteuid() == 0 and _become_nobody():
        gained.append("nobody")
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return gained


def limit_processor_time(seconds: float) -> None:
    """End this process by SIGXCPU after so many more seconds of its processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _address_space() -> int:
    """Bytes of the address space of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _landlock(libc: ctypes.CDLL) -> bool:
    """Deny everything that Landlock knows; False where the kernel has none."""
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return False
    rules = _Ruleset(
        files=(1 << _FILE_ACCESSES.get(version, _FILE_ACCESSES_NOW)) - 1,
        network=_NETWORK_ACCESSES if version >= 4 else 0,
        scoped=_SCOPES if version >= 6 else 0,
    )
    # An older kernel takes only the fields that it knows.
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    denied: bool = libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return denied


def _become_nobody() -> bool:
    """Turn from root into a user without rights; False where that is not allowed."""
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    return True
