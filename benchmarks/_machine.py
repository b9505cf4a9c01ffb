"""The circumstances of a measurement: the machine, the versions of libraries, the command line."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

# Libraries whose version decides a figure.
LIBRARIES = (
    "tensorflow-cpu",
    "tensorflow",
    "openvino",
    "ai-edge-litert",
    "opencv-python-headless",
    "Pillow",
    "numpy",
    "flask",
    "granian",
    "watchdog",
)


def machine(folder: Path = Path(".")) -> dict[str, Any]:
    """This machine, and the file system that `folder` lies on."""
    processor = _from_file("/proc/cpuinfo", "model name") or platform.processor()
    memory = _from_file("/proc/meminfo", "MemTotal").split()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gb": round(int(memory[0]) / 1e6, 1) if memory else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": file_system(folder),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def file_system(folder: Path) -> str:
    """The kind of file system below `folder`; "unknown" where nobody tells."""
    best, kind = -1, "unknown"
    wanted = folder.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def versions() -> dict[str, str]:
    """Python's version, SCAI's, and those of the installed libraries that decide figures."""
    from scai import __version__

    found = {"python": platform.python_version(), "scai": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """How this program was called, without the folders of this machine."""
    return " ".join([Path(sys.argv[0]).name, *map(shlex.quote, sys.argv[1:])])


def _from_file(file: str, key: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")
