"""What was measured of a model on this machine: a small file each, found again by all it hangs on.

The name of a file is a digest of the model's bytes and layers, the engines and their releases, the
processor, its cores and the threads to use, and the largest batch. Whatever of it changes, the file
is not found, and the model is measured anew. A damaged file counts as none. The folder may be
deleted at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai import plugins
from scai.engines.base import ModelFile, Plan, cores
from scai.storage.disk import Disk

log = logging.getLogger(__name__)

# Goes up whenever the files, or what is measured, come to mean something else.
_FORMAT = 1
_LOCK = ".measuring"
_DATE, _A_DATE = "%Y-%m-%dT%H:%M:%SZ", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Tried:
    """One engine with one plan that was timed: images/s, one at a time and in batches."""

    engine: str
    plan: str
    single: float
    many: float


@dataclass(frozen=True)
class Measured:
    """The engine and plan to take for a model, and why.

    `single` and `many` are images/s, one at a time and in batches of `batch`; `plain_single` and
    `plain_many` the same of `plain_engine` with the plain plan. `refused` tells, by engine, why
    it is not to be taken. `date` is UTC, as ISO 8601. `tried` are all that gave the right answers.
    """

    engine: str
    plan: Plan
    batch: int
    single: float
    many: float
    plain_engine: str
    plain_single: float
    plain_many: float
    refused: Mapping[str, str] = field(default_factory=dict)
    date: str = field(default_factory=lambda: time.strftime(_DATE, time.gmtime()))
    tried: tuple[Tried, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.single:.0f} images/s one at a time and {self.many:.0f} in batches of "
            f"{self.batch}; {self.plain_engine} plain: {self.plain_single:.0f} and "
            f"{self.plain_many:.0f}; measured {self.date[:10]}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON knows; speeds as whole tenths."""
        return {
            "engine": self.engine,
            "plan": str(self.plan),
            "lanes": self.plan.lanes,
            "whole": self.plan.whole,
            "batch": self.batch,
            "images_per_s": {
                "single": round(self.single, 1),
                "batch": round(self.many, 1),
                "plain_single": round(self.plain_single, 1),
                "plain_batch": round(self.plain_many, 1),
            },
            "plain_engine": self.plain_engine,
            "refused": dict(self.refused),
            "date": self.date,
            "tried": [
                {
                    "engine": one.engine,
                    "plan": one.plan,
                    "single": round(one.single, 1),
                    "batch": round(one.many, 1),
                }
                for one in self.tried
            ],
        }

    @classmethod
    def from_dict(cls, told: Any) -> Measured:
        """The other way. Raises ValueError, TypeError or KeyError for anything else."""
        speeds = [
            float(told["images_per_s"][key])
            for key in ("single", "batch", "plain_single", "plain_batch")
        ]
        lanes, batch = int(told["lanes"]), int(told["batch"])
        if lanes < 0 or batch < 1 or not all(math.isfinite(s) and s > 0 for s in speeds):
            raise ValueError("expected lanes, a batch and speeds above 0")
        date = str(told["date"])
        if not re.fullmatch(_A_DATE, date):
            raise ValueError(f"expected a date, got {date!r}")
        if told["engine"] not in plugins.names("engines"):
            raise ValueError(f"expected an engine, got {told['engine']!r}")
        return cls(
            str(told["engine"]),
            Plan(lanes, bool(told["whole"])),
            batch,
            speeds[0],
            speeds[1],
            str(told["plain_engine"]),
            speeds[2],
            speeds[3],
            {str(name): str(why) for name, why in told["refused"].items()},
            date,
            tuple(
                Tried(
                    str(one["engine"]), str(one["plan"]), float(one["single"]), float(one["batch"])
                )
                for one in told.get("tried", ())
            ),
        )


def key(model: ModelFile, engines: Sequence[str]) -> str:
    """All that a measurement hangs on but the batch, as 32 hex digits. Raises OSError.

    `engines` are those that would be compared, in order.
    """
    facts = {
        "format": _FORMAT,
        "model": _digest(model.path),
        "layers": [model.inputs, model.outputs],
        "engines": [[name, _release(name)] for name in engines],
        "processor": processor(),
        "cores": cores(),
        "threads": model.threads,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def read(folder: Path, name: str, batch: int, *, any_batch: bool = False) -> Measured | None:
    """What lies in the folder under the key `name`, or None.

    With `any_batch`, of another batch rather than nothing: the plan for one image is the same.
    """
    files = [_file(folder, name, batch)]
    if any_batch:
        files += sorted(folder.glob(f"{name}-*.json"))
    for file in files:
        try:
            return Measured.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.info("%s: not a measurement, taken for none: %s", file, error)
    return None


def write(folder: Path, name: str, measured: Measured, of: Path | None = None) -> None:
    """Keep a measurement; a disk that refuses is one line of the log.

    `of` is the model's file or folder, noted for those who only show what was measured.
    """
    file = _file(folder, name, measured.batch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        told = measured.to_dict()
        if of is not None:
            told["of"] = {"path": str(of.resolve()), "bytes": of.stat().st_size}
        text = json.dumps(told, ensure_ascii=False, indent=1)
        Disk("off").publish(file, text.encode(), durable=False)
    except OSError as error:
        log.warning("%s: the measurement cannot be kept: %s", folder, error.strerror)


@contextmanager
def alone(folder: Path, longest: float) -> Iterator[None]:
    """While one worker measures, others on the same cores would spoil its times: they wait.

    For `longest` seconds at most, and not at all where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        log.warning("%s: measurements cannot be kept: %s", folder, error.strerror)
        yield
        return
    try:
        end = time.monotonic() + longest
        while time.monotonic() < end:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        os.close(lock)


def writable(folder: Path) -> Path | None:
    """The folder, made if need be; None where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def processor() -> str:
    """The model of this machine's processor."""
    try:
        with _CPUINFO.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return os.uname().machine


def _file(folder: Path, name: str, batch: int) -> Path:
    return folder / f"{name}-{batch}.json"


def _release(engine: str) -> str:
    tell = getattr(plugins.load("engines", engine), "version", None)
    return str(tell()) if tell else ""


def _digest(path: Path) -> str:
    """Of a model's file, of its weights beside it, or of all files of its folder."""
    files = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
    total = hashlib.sha256()
    for file in files:
        if file.exists():
            total.update(os.fsencode(file.name))
            with file.open("rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()
