"""The loop of fuzzing: mutate, run, keep what reaches something new, report what must not be.

Coverage is taken from the interpreter: pairs of lines that follow each other in the files that a
target watches. Decoders in C show nothing of themselves but their answers, so these count as well.
"""

from __future__ import annotations

import mmap
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from support.fuzzing.mutations import MAX_BYTES, Material, mutated

# Seconds of processor time that no input of this size may take.
SLOW_SECONDS = 10.0
_LENGTH_BYTES = 8
_VARYING = re.compile(r"[0-9]+|(?<=got ).*|'.*?'", re.DOTALL)


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    `run` takes an input and returns its answer in a few words; it raises for what must not be.
    `seeds` makes inputs to begin with; `tokens` are words of the format; `watched` the files whose
    lines count as coverage.
    """

    name: str
    run: Callable[[bytes], str]
    seeds: Callable[[], list[bytes]]
    watched: tuple[str, ...]
    tokens: Sequence[bytes] = ()


@dataclass
class Report:
    """What came of a run: inputs tried and kept, and the findings as (input, trace)."""

    runs: int = 0
    kept: int = 0
    features: int = 0
    findings: list[tuple[bytes, str]] = field(default_factory=list)


class LastInput:
    """The input that runs now, in a file that is left when the process is killed by it."""

    def __init__(self, path: Path) -> None:
        with path.open("wb+") as file:
            file.truncate(_LENGTH_BYTES + MAX_BYTES)
            self._map = mmap.mmap(file.fileno(), _LENGTH_BYTES + MAX_BYTES)

    def note(self, data: bytes) -> None:
        """Keep `data` until the next one."""
        self._map[: _LENGTH_BYTES + len(data)] = len(data).to_bytes(_LENGTH_BYTES, "big") + data

    @staticmethod
    def read(path: Path) -> bytes:
        """The input that ran when the process ended."""
        data = path.read_bytes()
        return data[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")]


class Fuzzer:
    """Fuzzes one target; `step` runs one input."""

    def __init__(self, target: Target, seed: int, last: LastInput | None = None) -> None:
        self._target, self._last = target, last
        self._chance = random.Random(seed)
        self._seen: set[Any] = set()
        self._begun = [data[:MAX_BYTES] for data in target.seeds()]
        self.corpus = list(self._begun)
        self._material = Material(target.tokens, self.corpus)
        self._traces: set[str] = set()
        self.report = Report()

    def go(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> Report:
        """Run for so many seconds."""
        end = clock() + seconds
        while clock() < end:
            self.step()
        return self.report

    def step(self) -> None:
        """Run a seed as it is, as long as there are new ones; then a mutation of what was kept."""
        if self._begun:
            self._run(self._begun.pop(), is_seed=True)
            return
        # What came last has been mutated least.
        recent = self._chance.random() < 0.5
        pool = self.corpus[-40:] if recent else self.corpus
        self._run(mutated(self._chance, self._chance.choice(pool), self._material))

    def _run(self, data: bytes, is_seed: bool = False) -> None:
        if self._last is not None:
            self._last.note(data)
        self.report.runs += 1
        features: set[Any] = set()
        start = time.process_time()
        try:
            with Coverage(self._target.watched, features):
                answer = self._target.run(data)
        except Exception as error:
            self._found(data, error)
            return
        if time.process_time() - start > SLOW_SECONDS:
            self.report.findings.append((data, f"it took more than {SLOW_SECONDS} seconds"))
        # Numbers and names in an answer make no new kind of it.
        features.add(_VARYING.sub("", answer))
        if not features <= self._seen:
            self._seen |= features
            self.report.features = len(self._seen)
            if not is_seed:
                self.corpus.append(data)
                self.report.kept += 1

    def _found(self, data: bytes, error: Exception) -> None:
        """Note a finding, once for each place where it shows."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}"
        if place not in self._traces:
            self._traces.add(place)
            self.report.findings.append((data, "".join(traceback.format_exception(error))))


class Coverage:
    """Adds to `features` each pair of lines that run one after the other in `watched` files.

    How often they run counts too, by powers of two.
    """

    def __init__(self, watched: tuple[str, ...], features: set[Any]) -> None:
        self._watched, self._features = watched, features
        self._before: tuple[int, int] = (0, 0)
        self._counts: Counter[Any] = Counter()

    def __enter__(self) -> None:
        sys.settrace(self._enter)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        self._features.update((pair, n.bit_length()) for pair, n in self._counts.items())

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        return self._line if frame.f_code.co_filename.endswith(self._watched) else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            now = (id(frame.f_code), frame.f_lineno)
            self._counts[self._before, now] += 1
            self._before = now
        return self._line
