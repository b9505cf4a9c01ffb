"""The circumstances of a measurement: the machine, the versions of libraries, the command line."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

# Libraries whose versions affect figures.
LIBRARIES = (
    "tensorflow-cpu",
    "tensorflow",
    "openvino",
    "ai-edge-litert",
    "opencv-python-headless",
    "Pillow",
    "simplejpeg",
    "numpy",
    "flask",
    "httptools",
    "watchdog",
)


def machine(folder: Path = Path(".")) -> dict[str, Any]:
    """Describe this machine, and the file system of `folder`."""
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
    """Return the type of the file system of `folder`, or "unknown"."""
    best, kind = -1, "unknown"
    path = folder.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def versions() -> dict[str, str]:
    """Return the versions of Python, SCAI and the libraries that affect figures."""
    from scai import __version__

    numbers = {"python": platform.python_version(), "scai": __version__}
    for name in LIBRARIES:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return numbers


def command_line() -> str:
    """Return the command line, without the folder of the program."""
    return " ".join([Path(sys.argv[0]).name, *map(shlex.quote, sys.argv[1:])])


def _from_file(file: str, key: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")
