"""The journal of a queue: a line for each verdict, in a file for each minute.

    pooling/<kind>/.journal/<minute>    named by its begin, in seconds since 1970

Workers and the processes of job mode append; the status page reads the last hour. Nothing is
flushed to the disk, and no failure here harms a verdict: figures are worth less.
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scai.errors import ScaiError
from scai.storage.rights import check_folder, new_file, new_folder

FOLDER = ".journal"
MINUTE = 60
# The age in seconds at which a minute's file is removed, and how many are removed at a time.
MAX_AGE = 70 * MINUTE
_MAX_REMOVED = 500
# A write of fewer bytes is not mixed with those of other processes.
MAX_LINE = 4096
# Characters of a reason, and of the name of a model, an engine or a stage.
_MAX_REASON = 200
_MAX_NAME = 80

log = logging.getLogger(__name__)

# Parts of a reason that figures must not show: paths of this machine, names and keys of sessions.
_PRIVATE = re.compile(r"(?:/[^\s/:'\"]+)+/|d-\d{8}-[0-9a-f]{40}|[0-9a-f]{40}")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class JournalEntry:
    """One verdict at `time` (epoch seconds).

    took_ms: milliseconds from upload to verdict
    waited_ms: those of them before the run
    infer_ms: milliseconds of its whole inference batch, of `batch` pictures, in the engine
    code, stage, reason: why it failed; "" for a result
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
    ) -> JournalEntry:
        """The entry of a job that failed with `error`; its reason is shortened."""
        reason = _PRIVATE.sub("…", error.message)[:_MAX_REASON]
        stage = str(error.details.get("stage", ""))
        return cls(
            now, took_ms, waited_ms, state="failure", model=model, code=error.code, stage=stage,
            reason=reason,
        )  # fmt: skip

    @classmethod
    def unstarted(cls, error: ScaiError, arrival: float | None) -> JournalEntry:
        """The entry of a job that failed just now, before it began.

        `arrival` is when it came, in epoch seconds; None if that is unknown.
        """
        now = time.time()
        took = max(0.0, now - (arrival or now)) * 1000
        return cls.failure(error, now, took, took)

    def to_line(self) -> bytes:
        """The entry as one line, shorter than MAX_LINE."""
        values = [
            *(round(self.time, 3), round(self.took_ms, 1), round(self.waited_ms, 1)),
            *(round(self.infer_ms, 2), self.batch, self.state),
            *(self.model[:_MAX_NAME], self.engine[:_MAX_NAME]),
        ]
        if self.code:
            values += [self.code, self.stage[:_MAX_NAME], self.reason[:_MAX_REASON]]
        return _encode(values).encode("utf-8", "backslashreplace") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> JournalEntry | None:
        """Read a line; None for one that is broken or not ours."""
        try:
            values = json.loads(line) if len(line) <= MAX_LINE else None
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
    """Appends to the journal of one queue folder, from any thread.

    `losses` counts the lines that could not be written. The journal makes its own folder, but not
    the queue's.
    """

    def __init__(self, pool: Path, clock: Callable[[], float] = time.time) -> None:
        self.losses = 0
        self._folder = os.path.join(pool, FOLDER)
        self._clock = clock
        self._writing = threading.Lock()
        self._minute = -1
        self._file = -1

    def note(self, entry: Callable[[], JournalEntry]) -> None:
        """Append the entry that `entry` makes. Never fails, not even when `entry` does."""
        try:
            line = entry().to_line()
            with self._writing:
                self._turn_to(int(self._clock() // MINUTE) * MINUTE)
                if os.write(self._file, line) != len(line):
                    self.losses += 1
        except Exception as error:
            # Whatever the error is: the verdict is out, and must not seem to have failed.
            self.losses += 1
            log.debug("a verdict is missing from the figures: %s", error)

    def close(self) -> None:
        """Close the file; `note` opens one anew."""
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
        """Open a minute's file; True if this process began it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        # A pipe would wait for a reader.
        flags |= os.O_NONBLOCK
        try:
            check_folder(self._folder)
            return new_file(path, flags), True
        except FileExistsError:
            return os.open(path, flags), False
        except FileNotFoundError:
            with suppress(FileExistsError):  # another process was faster
                os.close(new_folder(self._folder))
            return self._open(path)

    def _remove_old(self, now: int) -> None:
        """Remove the files of minutes that nobody reads any more, a bounded number of them."""
        old = [name for name in os.listdir(self._folder) if name.isascii() and name.isdigit()]
        for name in [name for name in old if abs(now - int(name)) > MAX_AGE][:_MAX_REMOVED]:
            try:
                os.unlink(os.path.join(self._folder, name))
            except OSError:
                pass  # another was faster, or it is no file of ours
