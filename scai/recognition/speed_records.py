"""Speed records: the result of a model's speed trial on this machine, one small JSON file each.

The name of a file is a digest of the model's bytes and layers, the engines and their releases, the
processor, its cores and the threads to use, and the largest batch. When any of these changes, the
record is not found any more, and the trial runs again. A damaged file counts as none. The folder
may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai import plugins
from scai.engines.base import ModelFile, Plan, cores
from scai.storage.disk import Disk
from scai.storage.locks import flock

log = logging.getLogger(__name__)

# Increase this number when the meaning of the files or of the trials changes.
_FORMAT = 1
_LOCK = ".measuring"
_DATE, _DATE_PATTERN = "%Y-%m-%dT%H:%M:%SZ", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class PlanSpeed:
    """The speed of one engine with one plan: images/s, one at a time and in batches."""

    engine: str
    plan: str
    single: float
    many: float


@dataclass(frozen=True)
class SpeedRecord:
    """The fastest engine and plan of a model, and the speeds that say so.

    `single` and `many` are images/s, one at a time and in batches of `batch`; `plain_single` and
    `plain_many` are the same for `plain_engine` with its default plan. `refusals` says, by engine,
    why it must not be used. `date` is UTC, as ISO 8601. `plan_speeds` holds all that gave the
    right answers.
    """

    engine: str
    plan: Plan
    batch: int
    single: float
    many: float
    plain_engine: str
    plain_single: float
    plain_many: float
    refusals: Mapping[str, str] = field(default_factory=dict)
    date: str = field(default_factory=lambda: time.strftime(_DATE, time.gmtime()))
    plan_speeds: tuple[PlanSpeed, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.single:.0f} images/s one at a time and {self.many:.0f} in batches of "
            f"{self.batch}; {self.plain_engine} plain: {self.plain_single:.0f} and "
            f"{self.plain_many:.0f}; measured {self.date[:10]}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready values; speeds are rounded to tenths."""
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
            "refused": dict(self.refusals),
            "date": self.date,
            "tried": [
                {
                    "engine": one.engine,
                    "plan": one.plan,
                    "single": round(one.single, 1),
                    "batch": round(one.many, 1),
                }
                for one in self.plan_speeds
            ],
        }

    @classmethod
    def from_dict(cls, values: Any) -> SpeedRecord:
        """The record that `to_dict` described. Raises ValueError, TypeError or KeyError."""
        speeds = [
            float(values["images_per_s"][key])
            for key in ("single", "batch", "plain_single", "plain_batch")
        ]
        lanes, batch = int(values["lanes"]), int(values["batch"])
        if lanes < 0 or batch < 1 or not all(math.isfinite(s) and s > 0 for s in speeds):
            raise ValueError("expected lanes, a batch and speeds above 0")
        date = str(values["date"])
        if not re.fullmatch(_DATE_PATTERN, date):
            raise ValueError(f"expected a date, got {date!r}")
        if values["engine"] not in plugins.names("engines"):
            raise ValueError(f"expected an engine, got {values['engine']!r}")
        return cls(
            engine=str(values["engine"]),
            plan=Plan(lanes, bool(values["whole"])),
            batch=batch,
            single=speeds[0],
            many=speeds[1],
            plain_engine=str(values["plain_engine"]),
            plain_single=speeds[2],
            plain_many=speeds[3],
            refusals={str(name): str(why) for name, why in values["refused"].items()},
            date=date,
            plan_speeds=tuple(map(_plan_speed, values.get("tried", ()))),
        )


def _plan_speed(values: Any) -> PlanSpeed:
    return PlanSpeed(
        str(values["engine"]), str(values["plan"]), float(values["single"]), float(values["batch"])
    )


@dataclass(frozen=True)
class Machine:
    """The facts that decide a machine's speeds: the processor's model, this process's cores."""

    processor: str
    cores: int


def this_machine(cpuinfo: Path = _CPUINFO) -> Machine:
    """The machine that this process runs on."""
    return Machine(_processor(cpuinfo), cores())


def key(model: ModelFile, engines: Sequence[str], machine: Machine | None = None) -> str:
    """Digest of everything but the batch that a record depends on: 32 hex digits. Raises OSError.

    `engines` are those that a trial compares, in order; `machine` is this one unless given.
    """
    machine = machine or this_machine()
    facts = {
        "format": _FORMAT,
        "model": _digest(model.path),
        "layers": [model.inputs, model.outputs],
        "engines": [[name, _release(name)] for name in engines],
        "processor": machine.processor,
        "cores": machine.cores,
        "threads": model.threads,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def read(folder: Path, name: str, batch: int, *, any_batch: bool = False) -> SpeedRecord | None:
    """The record in the folder under the key `name`, or None.

    With `any_batch`, a record of another batch if need be: the plan for one image is the same.
    """
    files = [_file(folder, name, batch)]
    if any_batch:
        files += sorted(folder.glob(f"{name}-*.json"))
    for file in files:
        try:
            return SpeedRecord.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.info("%s: ignored, not a speed record: %s", file, error)
    return None


def write(folder: Path, name: str, record: SpeedRecord, graph: Path | None = None) -> None:
    """Store a record; log one line if that fails.

    `graph` is the model's file or folder, noted for readers who know the model by its file.
    """
    file = _file(folder, name, record.batch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        values = record.to_dict()
        if graph is not None:
            values["of"] = {"path": str(graph.resolve()), "bytes": graph.stat().st_size}
        text = json.dumps(values, ensure_ascii=False, indent=1)
        Disk("off").publish(file, text.encode(), durable=False)
    except OSError as error:
        log.warning("%s: the speed record cannot be stored: %s", folder, error.strerror)


@contextmanager
def trial_lock(folder: Path, patience: float) -> Iterator[None]:
    """Hold the lock of the speed trials, so that no two run on the same cores at once.

    Goes on without it after `patience` seconds, and at once where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        log.warning("%s: speed records cannot be stored: %s", folder, error.strerror)
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks
            flock(lock, patience)
        yield
    finally:
        os.close(lock)


def writable(folder: Path) -> Path | None:
    """The folder, created if missing; None where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _processor(cpuinfo: Path) -> str:
    """The processor's model, or the name of its architecture where no file says more."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
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
    version = getattr(plugins.load("engines", engine), "version", None)
    return str(version()) if version else ""


def _digest(path: Path) -> str:
    """SHA-256 of a model's file with the weights beside it, or of all files of its folder."""
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
