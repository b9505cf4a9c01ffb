"""Which engine and plan is the fastest for a model that still says the same: tried out once.

The trial runs in a process of its own (scai/recognition/speed_trial_process.py), so that a library
that ends its process ends that one, and the memory of all that was tried goes with it. When it
dies, the last line of its output tells at what, and the trial is done again without it.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from scai import plugins
from scai.engines.base import (
    PLAIN,
    ModelFile,
    Plan,
)
from scai.errors import EngineError
from scai.processes import describe_exit, run_child
from scai.recognition.speed_records import Measured, Tried

# A plan is taken in place of the plain one only if it is faster by this much, in all; and if it is
# at neither of the two, single images and batches, slower by as much. On a machine that is busy
# with other things a median alone may be luck, so that it has to win most of the rounds, too.
CLEARLY = 1.05
MOST = 2 / 3
# By how much it may be slower in the quietest moments, which are few, so that luck weighs more.
ROUGHLY = 1.15
# Seconds after which a trial is given up; a well-behaved one ends long before.
LONGEST = 120.0
COMMAND = (sys.executable, "-m", "scai.recognition.speed_trial_process")


@dataclass(frozen=True)
class Pictures:
    """What goes into a model: values from `low` to `high`; `side` pixels where its side is free."""

    low: float = 0.0
    high: float = 1.0
    side: int = 64


@dataclass
class Trial:
    """One engine with one plan: seconds an image, single and in batches, a number a round.

    `refused` says why it is not to be taken, if so.
    """

    engine: str
    plan: Plan
    single: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    refused: str = ""


def trials(model: ModelFile, engines: Sequence[str], reference: str) -> list[Trial]:
    """What there is to try: of the reference its plain plan first, then all in the given order."""
    found: list[Trial] = []
    for name in engines:
        plans = getattr(plugins.load("engines", name), "plans", None)
        found += [Trial(name, plan) for plan in [PLAIN, *(plans(model) if plans else ())]]
    return sorted(found, key=lambda t: not (t.engine == reference and t.plan == PLAIN))


def measure(
    model: ModelFile,
    engines: Sequence[str],
    todo: Sequence[Trial],
    pictures: Pictures,
    command: Sequence[str] = COMMAND,
) -> Measured:
    """Time `todo` (see `trials`) in a process of its own and choose. Raises EngineError."""
    left, dead = list(todo), list[Trial]()
    deadline = time.monotonic() + LONGEST
    while left:
        done, died_at = _one_process(model, left, pictures, command, deadline)
        if died_at is None:
            return choose([*done, *dead], engines, max(1, model.batch))
        left.remove(died_at)
        dead.append(died_at)
    raise EngineError("; ".join(f"{t.engine}, {t.plan}: {t.refused}" for t in dead) or "no plans")


def choose(done: Sequence[Trial], engines: Sequence[str], batch: int) -> Measured:
    """The fastest of the trials. Raises EngineError when no plain plan could be run.

    `engines` are in the order that holds without a measurement.
    """
    plain = {t.engine: t for t in done if t.plan == PLAIN and not t.refused and t.single}
    first = next((plain[name] for name in engines if name in plain), None)
    if first is None:
        raise EngineError("; ".join(f"{t.engine}: {t.refused}" for t in done if t.refused))
    best, most = first, 1.0
    for name in [first.engine, *(name for name in engines if name != first.engine)]:
        # Another engine has to be better than the best of this one, not only than its plain plan.
        worth = getattr(plugins.load("engines", name), "WORTH", CLEARLY)
        bar = most * (CLEARLY if name == first.engine else worth)
        for trial in done:
            if trial.engine != name or trial.refused or not trial.single:
                continue
            gains = _gains(first.single, trial.single), _gains(first.many, trial.many)
            each = [math.sqrt(one * batch) for one, batch in zip(*gains, strict=True)]
            wins = sum(gain > 1 for gain in each) >= MOST * len(each)
            # The least times are those of the quietest moments: what a plan can do undisturbed.
            at_best = _least(first.single, trial.single), _least(first.many, trial.many)
            total = math.sqrt(statistics.median(each) * math.sqrt(at_best[0] * at_best[1]))
            steady = min(map(statistics.median, gains)) * CLEARLY >= 1 <= min(at_best) * ROUGHLY
            if total >= max(bar, most) and wins and steady:
                best, most = trial, total
    refused = {t.engine: t.refused for t in done if t.plan == PLAIN and t.refused}
    return Measured(
        best.engine,
        best.plan,
        batch,
        single=_speed(best.single),
        many=_speed(best.many),
        plain_engine=first.engine,
        plain_single=_speed(first.single),
        plain_many=_speed(first.many),
        refused=refused,
        tried=tuple(
            Tried(t.engine, str(t.plan), _speed(t.single), _speed(t.many))
            for t in done
            if t.single and t.many and t.refused in ("", "slower")
        ),
    )


def _least(before: Sequence[float], now: Sequence[float]) -> float:
    return min(before) / min(now)


def _speed(seconds: Sequence[float]) -> float:
    """Images/s."""
    return 1 / statistics.median(seconds)


def _gains(before: Sequence[float], now: Sequence[float]) -> list[float]:
    """How many times faster, round by round, so that a slow moment of the machine weighs little."""
    return [b / n for b, n in zip(before, now, strict=True)]


def _one_process(
    model: ModelFile,
    todo: Sequence[Trial],
    pictures: Pictures,
    command: Sequence[str],
    deadline: float,
) -> tuple[list[Trial], Trial | None]:
    """The trials as they came back, or the one at which the process died."""
    order = {
        "path": str(model.path.absolute()),
        "inputs": model.inputs,
        "outputs": model.outputs,
        "threads": model.threads,
        "batch": max(1, model.batch),
        "pictures": [pictures.low, pictures.high, pictures.side],
        "todo": [[t.engine, t.plan.lanes, t.plan.whole] for t in todo],
    }
    try:
        ended = run_child(command, json.dumps(order), max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"it took more than {LONGEST:.0f} s") from error
    at: Trial | None = None
    for line in ended.stdout.splitlines():
        told = json.loads(line)
        if "at" in told:
            at = todo[told["at"]]
        elif "done" in told:
            return [
                Trial(t.engine, t.plan, *times) for t, times in zip(todo, told["done"], strict=True)
            ], None
    if at is None:
        raise EngineError(f"its process could not begin: {describe_exit(ended.returncode)}")
    at.refused = f"its library ended the process: {describe_exit(ended.returncode)}"
    return [], at
