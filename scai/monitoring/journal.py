"""What became of jobs lately: a line for each verdict, in a file for each minute.

    pooling/<kind>/.journal/<minute>    named by when it began, in seconds since 1970

Workers and job mode's processes append, whoever wants figures of the last hour reads. Nothing is
flushed to the disk, and whatever goes wrong here, the verdict stands: figures are worth less.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scai.errors import ScaiError

FOLDER = ".journal"
MINUTE = 60
# How long a minute's file is kept, in seconds, and how many are removed at a time.
KEPT = 70 * MINUTE
_MOST_REMOVED = 500
# One write below this many bytes is not mixed with those of other processes.
LONGEST_LINE = 4096
_LONGEST_REASON = 200
_LONGEST_NAME = 80

log = logging.getLogger(__name__)

# What a reason may hold and figures must not: places on this machine, names and keys of sessions.
_PRIVATE = re.compile(r"(?:/[^\s/:'\"]+)+/|d-\d{8}-[0-9a-f]{40}|[0-9a-f]{40}")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Entry:
    """One verdict: when (epoch seconds), and how many milliseconds it took.

    `took_ms` is from upload to verdict, `waited_ms` of it before the run, `infer_ms` of its whole
    batch of `batch` pictures in the engine. After a failure, `code`, `stage` and `reason` say why.
    """

    time: float
    took_ms: float
    waited_ms: float = 0.0
    infer_ms: float = 0.0
    batch: int = 0
    state: str = "complete"
    model: str = ""
    engine: str = ""
    code: str = ""
    stage: str = ""
    reason: str = ""

    @classmethod
    def failure(
        cls, error: ScaiError, now: float, took_ms: float, waited_ms: float = 0.0, model: str = ""
    ) -> Entry:
        """The entry of a job that failed with `error`; its reason is shortened."""
        reason = _PRIVATE.sub("…", error.message)[:_LONGEST_REASON]
        stage = str(error.details.get("stage", ""))
        return cls(
            now, took_ms, waited_ms, state="failure", model=model, code=error.code, stage=stage,
            reason=reason,
        )  # fmt: skip

    @classmethod
    def unstarted(cls, error: ScaiError, arrived: float | None) -> Entry:
        """The entry of a job that failed just now, before it began; when it came, if known."""
        now = time.time()
        took = max(0.0, now - (arrived or now)) * 1000
        return cls.failure(error, now, took, took)

    def to_line(self) -> bytes:
        """As one line of the journal, shorter than LONGEST_LINE."""
        values = [
            *(round(self.time, 3), round(self.took_ms, 1), round(self.waited_ms, 1)),
            *(round(self.infer_ms, 2), self.batch, self.state),
            *(self.model[:_LONGEST_NAME], self.engine[:_LONGEST_NAME]),
        ]
        if self.code:
            values += [self.code, self.stage[:_LONGEST_NAME], self.reason[:_LONGEST_REASON]]
        return _encode(values).encode("utf-8", "backslashreplace") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Entry | None:
        """What a line says; None for one that is broken or not ours."""
        try:
            values = json.loads(line) if len(line) <= LONGEST_LINE else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, list) or len(values) not in (8, 11):
            return None
        numbers, words = values[:5], values[5:]
        if not all(map(_is_number, numbers)) or not all(isinstance(word, str) for word in words):
            return None
        took, waited, infer = map(float, numbers[1:4])
        return cls(float(numbers[0]), took, waited, infer, int(numbers[4]), *words)


def _is_number(value: object) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value) and 0 <= value < 1e12  # type: ignore[arg-type,operator]


class Journal:
    """Appends to the journal of one queue folder, from any thread. `lost` counts what it could not.

    It makes its own folder, but not the queue's.
    """

    def __init__(self, pool: Path, clock: Callable[[], float] = time.time) -> None:
        self.lost = 0
        self._folder = os.path.join(pool, FOLDER)
        self._clock = clock
        self._writing = threading.Lock()
        self._minute = -1
        self._file = -1

    def note(self, entry: Callable[[], Entry]) -> None:
        """Append what `entry` makes. Never fails, not even where `entry` does."""
        try:
            line = entry().to_line()
            with self._writing:
                self._turn_to(int(self._clock() // MINUTE) * MINUTE)
                if os.write(self._file, line) != len(line):
                    self.lost += 1
        except Exception as error:
            # Of whatever kind: the verdict is out, and must not seem to have failed.
            self.lost += 1
            log.debug("a verdict is missing from the figures: %s", error)

    def close(self) -> None:
        """Let go of the file; `note` opens one anew."""
        with self._writing:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._minute = -1, -1

    def _turn_to(self, minute: int) -> None:
        if minute == self._minute:
            return
        if self._file >= 0:
            os.close(self._file)
        self._file, self._minute = -1, -1
        self._file, first = self._open(os.path.join(self._folder, str(minute)))
        self._minute = minute
        if first:
            self._remove_old(minute)

    def _open(self, path: str) -> tuple[int, bool]:
        """The file, and whether nobody had begun it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # Not waiting for a reader, should it be a pipe.
        flags |= os.O_NONBLOCK
        try:
            return os.open(path, flags | os.O_EXCL, 0o640), True
        except FileExistsError:
            return os.open(path, flags, 0o640), False
        except FileNotFoundError:
            os.mkdir(self._folder, 0o750)
            return os.open(path, flags, 0o640), True

    def _remove_old(self, now: int) -> None:
        """Remove the files of minutes that nobody asks for any more, a bounded number of them."""
        old = [name for name in os.listdir(self._folder) if name.isascii() and name.isdigit()]
        for name in [name for name in old if abs(now - int(name)) > KEPT][:_MOST_REMOVED]:
            try:
                os.unlink(os.path.join(self._folder, name))
            except OSError:
                pass  # another was faster, or it is no file of ours
