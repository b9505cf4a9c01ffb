"""Speed trials: find the engine and plan that run a model fastest and give the right answers.

A trial runs in a process of its own (scai/recognition/speed_trial_process.py). A library that
crashes takes only that process down, and the memory of everything tried is free afterwards. When
the process dies, the last line of its output names the plan at fault, and the trial runs again
without it.
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
from scai.engines.base import PLAIN, ModelFile, Plan
from scai.errors import EngineError
from scai.processes import describe_exit, run_child
from scai.recognition.speed_records import PlanSpeed, SpeedRecord

# A plan replaces the default only if it is at least 5 % faster overall, and neither single images
# nor batches are 5 % slower.
MIN_GAIN = 1.05
# On a busy machine a median may be luck, so a plan has to win this share of the rounds, too.
MIN_WINS = 2 / 3
# Allowed slowdown in the quietest rounds; looser, because few samples are noisier.
MAX_SLOWDOWN = 1.15
# Seconds after which a trial is given up; a well-behaved one ends long before.
MAX_SECONDS = 120.0
COMMAND = (sys.executable, "-m", "scai.recognition.speed_trial_process")


@dataclass(frozen=True)
class SampleImages:
    """The images of a trial: values from `low` to `high`; `side` pixels where the model has none.

    The model's own height and width are used where it states them.
    """

    low: float = 0.0
    high: float = 1.0
    side: int = 64


@dataclass
class Trial:
    """One engine with one plan, and its times: seconds an image, one number a round.

    `single` are the times of images alone, `many` those of images in batches. `refusal` says why
    it must not be used; it is empty when nothing speaks against it.
    """

    engine: str
    plan: Plan
    single: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    refusal: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether it gave the right answers and was timed to the end."""
        return bool(self.single) and not self.refusal


@dataclass(frozen=True)
class Comparison:
    """How many times faster a trial is than the default.

    `overall` weighs single images and batches, medians and the quietest moments. `wins` is the
    share of rounds that it wins (0..1). `medians` and `quietest` hold one factor for single
    images and one for batches.
    """

    overall: float
    wins: float
    medians: tuple[float, float]
    quietest: tuple[float, float]

    @property
    def is_reliable(self) -> bool:
        """Whether it wins most rounds, and is clearly slower neither alone nor in batches."""
        return (
            self.wins >= MIN_WINS
            and min(self.medians) * MIN_GAIN >= 1
            and min(self.quietest) * MAX_SLOWDOWN >= 1
        )


def list_trials(model: ModelFile, engines: Sequence[str], reference: str) -> list[Trial]:
    """All trials of a model: the default plan of the reference engine, then all by engine."""
    trials: list[Trial] = []
    for name in engines:
        plans = getattr(plugins.load("engines", name), "plans", None)
        trials += [Trial(name, plan) for plan in [PLAIN, *(plans(model) if plans else ())]]
    return sorted(trials, key=lambda t: not (t.engine == reference and t.plan == PLAIN))


def find_fastest(
    model: ModelFile,
    engines: Sequence[str],
    trials: Sequence[Trial],
    images: SampleImages,
    command: Sequence[str] = COMMAND,
) -> SpeedRecord:
    """Run `trials` (see `list_trials`) in a process and pick the fastest. Raises EngineError."""
    queue, crashes = list(trials), list[Trial]()
    deadline = time.monotonic() + MAX_SECONDS
    while queue:
        results, culprit = _run_process(model, queue, images, command, deadline)
        if culprit is None:
            return pick_fastest([*results, *crashes], engines, max(1, model.batch))
        queue.remove(culprit)
        crashes.append(culprit)
    reasons = (f"{t.engine}, {t.plan}: {t.refusal}" for t in crashes)
    raise EngineError("; ".join(reasons) or "no plans")


def pick_fastest(trials: Sequence[Trial], engines: Sequence[str], batch: int) -> SpeedRecord:
    """The record of finished trials. Raises EngineError when no engine runs its default plan.

    `engines` are in the order that holds without a trial. The default is the default plan of the
    first of them that can be used.
    """
    default = _default(trials, engines)
    fastest = _fastest(trials, engines, default, batch)
    return SpeedRecord(
        engine=fastest.engine,
        plan=fastest.plan,
        batch=batch,
        single=_images_per_second(fastest.single),
        many=_images_per_second(fastest.many),
        plain_engine=default.engine,
        plain_single=_images_per_second(default.single),
        plain_many=_images_per_second(default.many),
        refusals={t.engine: t.refusal for t in trials if t.plan == PLAIN and t.refusal},
        plan_speeds=_plan_speeds(trials),
    )


def compare(default: Trial, trial: Trial, batch: int) -> Comparison:
    """Compare a trial with the default, round by round, so that a slow moment weighs little.

    Both have the same number of rounds, at least one.
    """
    single = [before / now for before, now in zip(default.single, trial.single, strict=True)]
    many = [before / now for before, now in zip(default.many, trial.many, strict=True)]
    rounds = [math.sqrt(one * in_batch) for one, in_batch in zip(single, many, strict=True)]
    # The shortest times are those of the quietest moments: what a plan can do undisturbed.
    quietest = (
        min(default.single) / min(trial.single),
        min(default.many) / min(trial.many),
    )
    return Comparison(
        overall=math.sqrt(statistics.median(rounds) * math.sqrt(quietest[0] * quietest[1])),
        wins=sum(gain > 1 for gain in rounds) / len(rounds),
        medians=(statistics.median(single), statistics.median(many)),
        quietest=quietest,
    )


def _default(trials: Sequence[Trial], engines: Sequence[str]) -> Trial:
    usable = {t.engine: t for t in trials if t.plan == PLAIN and t.is_usable}
    for name in engines:
        if name in usable:
            return usable[name]
    raise EngineError("; ".join(f"{t.engine}: {t.refusal}" for t in trials if t.refusal))


def _fastest(trials: Sequence[Trial], engines: Sequence[str], default: Trial, batch: int) -> Trial:
    """The fastest usable trial, or the default when none is clearly and reliably faster.

    Another engine has to beat the best plan of the default's engine, not only its default plan.
    """
    fastest, gain = default, 1.0
    for engine in sorted(engines, key=lambda name: name != default.engine):
        threshold = gain * _min_gain(engine, default.engine)
        for trial in trials:
            if trial.engine != engine or not trial.is_usable:
                continue
            comparison = compare(default, trial, batch)
            if comparison.is_reliable and comparison.overall >= max(threshold, gain):
                fastest, gain = trial, comparison.overall
    return fastest


def _min_gain(engine: str, default_engine: str) -> float:
    """How many times faster a plan of `engine` has to be to replace the fastest so far."""
    if engine == default_engine:
        return MIN_GAIN
    return float(getattr(plugins.load("engines", engine), "MIN_GAIN", MIN_GAIN))


def _plan_speeds(trials: Sequence[Trial]) -> tuple[PlanSpeed, ...]:
    """The speeds of all trials with the right answers, also of those stopped as too slow."""
    return tuple(
        PlanSpeed(t.engine, str(t.plan), _images_per_second(t.single), _images_per_second(t.many))
        for t in trials
        if t.single and t.many and t.refusal in ("", "slower")
    )


def _images_per_second(seconds: Sequence[float]) -> float:
    return 1 / statistics.median(seconds)


def _run_process(
    model: ModelFile,
    trials: Sequence[Trial],
    images: SampleImages,
    command: Sequence[str],
    deadline: float,
) -> tuple[list[Trial], Trial | None]:
    """Run the trials in one process: the trials with their times, or the one that crashed it.

    `deadline` is a time of the monotonic clock. Raises EngineError.
    """
    request = {
        "path": str(model.path.absolute()),
        "inputs": model.inputs,
        "outputs": model.outputs,
        "threads": model.threads,
        "batch": max(1, model.batch),
        "images": [images.low, images.high, images.side],
        "trials": [[t.engine, t.plan.lanes, t.plan.whole] for t in trials],
    }
    try:
        process = run_child(command, json.dumps(request), max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"it took more than {MAX_SECONDS:.0f} s") from error
    current: Trial | None = None
    for line in process.stdout.splitlines():
        message = json.loads(line)
        if "at" in message:
            current = trials[message["at"]]
        elif "done" in message:
            times = zip(trials, message["done"], strict=True)
            return [Trial(t.engine, t.plan, *values) for t, values in times], None
    exit_status = describe_exit(process.returncode)
    if current is None:
        raise EngineError(f"its process could not begin: {exit_status}")
    current.refusal = f"its library ended the process: {exit_status}"
    return [], current
