"""The process that times engines and plans: `python -m scai.recognition.speed_trial_process`.

It reads an order as JSON from its standard input (scai/recognition/speed_trials.py writes it) and
writes lines of JSON: `{"at": n}` before it touches the trial of that number, and as the last one
`{"done": [[single, many, refused], ...]}`, seconds an image of each round for each trial.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from scai import plugins
from scai.engines.base import (
    PLAIN,
    SAME,
    EngineBase,
    ModelFile,
    Plan,
    TensorSpec,
    one_line,
)
from scai.errors import EngineError, ScaiError
from scai.processes import die_with_parent
from scai.recognition.speed_trials import Trial

# Seconds of timing, and after which no further plan is opened.
TIMING, OPENING = 3.0, 20.0
MOST_ROUNDS, LEAST_ROUNDS = 25, 5
# A turn is some calls, of which the least counts, and ends after so many or after these seconds.
LEAST_CALLS, MOST_CALLS, TURN = 2, 8, 0.05
# The median is so many times the least time where other programs are at work; that takes longer.
UNEVEN = 1.2
# What was so many times slower than the fastest after the least rounds gets no more turns.
HOPELESS = 1.3


def main() -> None:
    """Do the order on the standard input."""
    die_with_parent()
    order = json.loads(sys.stdin.read())
    # Libraries write to the standard output too; what they say goes where their errors go.
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)
        _Bench(order, out).run()
    sys.stdout.flush()
    os._exit(0)  # nothing to be put away, and libraries take their time for it


class _Bench:
    """Opens what is to be tried, compares, and takes the time."""

    def __init__(self, order: dict[str, Any], out: TextIO) -> None:
        self._order = order
        self._out = out
        self._todo = [Trial(name, Plan(lanes, whole)) for name, lanes, whole in order["todo"]]
        self._engines: dict[int, EngineBase] = {}
        self._images: NDArray[np.generic] | None = None
        self._expected: list[NDArray[np.generic]] = []
        self._reference = ""
        self._outputs: tuple[TensorSpec, ...] = ()

    def run(self) -> None:
        """All of it; the last line is the result."""
        end = time.monotonic() + OPENING
        for number, trial in enumerate(self._todo):
            self._say(at=number)
            if number == 1:
                end = time.monotonic() + OPENING  # the reference takes the time it needs
            if time.monotonic() > end and self._engines:
                trial.refused = "no time was left for it"
                continue
            try:
                self._open(number, trial)
            except ScaiError as error:
                trial.refused = error.message
            except Exception as error:
                # Whatever a library makes of a model, the other plans are still to be tried.
                trial.refused = one_line(error)
        self._time()
        self._say(done=[[t.single, t.many, t.refused] for t in self._todo])

    def _say(self, **told: Any) -> None:
        print(json.dumps(told), file=self._out, flush=True)

    def _open(self, number: int, trial: Trial) -> None:
        """Load and compare; only what agrees is kept for timing."""
        if trial.plan != PLAIN and not self._runs_plainly(trial.engine):
            raise EngineError("its plain plan is not taken either")
        order = self._order
        model = ModelFile(
            Path(order["path"]),
            tuple(order["inputs"]),
            tuple(order["outputs"]),
            order["threads"],
            batch=order["batch"],
            plan=trial.plan,
        )
        engine: EngineBase = plugins.load("engines", trial.engine).Engine(model)
        if self._images is None:
            self._images = _pictures(engine, order["batch"], *order["pictures"])
            self._expected = _one_by_one(engine, self._images)
            self._reference, self._outputs = trial.engine, engine.outputs
        batch = order["batch"]
        places = matching(engine.outputs, self._outputs)
        for found in (_in_batches(engine, self._images, batch), _one_by_one(engine, self._images)):
            check_same([found[place] for place in places], self._expected, self._reference)
        self._engines[number] = engine

    def _runs_plainly(self, name: str) -> bool:
        return any(
            self._todo[number].engine == name and self._todo[number].plan == PLAIN
            for number in self._engines
        )

    def _time(self) -> None:
        """Rounds in which each has a turn, so that a slow moment meets them all."""
        if self._images is None or not self._engines:
            return
        start = time.monotonic()
        running = dict(self._engines)
        for rounds in range(MOST_ROUNDS):
            spent = time.monotonic() - start
            enough = TIMING if self._quiet() else 3 * TIMING
            if spent > enough and (rounds >= LEAST_ROUNDS or spent > 5 * TIMING):
                break
            if rounds == LEAST_ROUNDS:
                running = self._promising(running)
            for number, engine in running.items():
                self._say(at=number)
                self._round(self._todo[number], engine, self._images)

    def _quiet(self) -> bool:
        """Whether the times are so even that nothing else seems to run on this machine."""
        runs = [t.many for t in self._todo if t.plan == PLAIN and t.many]
        return all(np.median(times) < UNEVEN * min(times) for times in runs)

    def _round(self, trial: Trial, engine: EngineBase, images: NDArray[np.generic]) -> None:
        batch = self._order["batch"]
        engine.infer(images[:1])
        taken = _seconds(engine, images[:1])
        trial.single.append(taken)
        trial.many.append(_seconds(engine, images[:batch]) if batch > 1 else taken)

    def _promising(self, running: dict[int, EngineBase]) -> dict[int, EngineBase]:
        """The plain plans, and whatever may still turn out to be the fastest."""
        best = {n: min(self._todo[n].single) * min(self._todo[n].many) for n in running}
        bar = min(best.values()) * HOPELESS**2
        left = {n: e for n, e in running.items() if best[n] < bar or self._todo[n].plan == PLAIN}
        for number in running.keys() - left.keys():
            self._todo[number].refused = "slower"
        return left


def matching(found: Sequence[TensorSpec], wanted: Sequence[TensorSpec]) -> list[int]:
    """Where the wanted outputs lie among those found: by name, and else in the same order."""
    names = [spec.name.removesuffix(":0") for spec in found]
    order = [spec.name.removesuffix(":0") for spec in wanted]
    if sorted(names) == sorted(order) and len(set(names)) == len(names):
        return [names.index(name) for name in order]
    return list(range(len(found)))


def check_same(
    found: Sequence[NDArray[np.generic]], expected: Sequence[NDArray[np.generic]], reference: str
) -> None:
    """Raises EngineError unless the outputs agree with those of the engine `reference`."""
    if len(found) != len(expected):
        raise EngineError(f"expected the {len(expected)} outputs of {reference}, got {len(found)}")
    for got, want in zip(found, expected, strict=True):
        if got.shape != want.shape:
            raise EngineError(f"expected the outputs {want.shape} of {reference}, got {got.shape}")
        if not np.allclose(got, want, rtol=SAME, atol=SAME, equal_nan=True):
            apart = float(np.nanmax(np.abs(got.astype(np.float64) - want.astype(np.float64))))
            raise EngineError(f"its answers differ from those of {reference} by up to {apart:.2g}")


def _pictures(
    engine: EngineBase, batch: int, low: float, high: float, side: int
) -> NDArray[np.generic]:
    """A batch of noise, then a gradient, as the model wants them."""
    sides = [known or side for known in engine.input.shape[1:3]]
    channels = engine.input.shape[3] or 3
    noise = np.random.default_rng(0).random((batch, *sides, channels), np.float32)
    ramp = np.linspace(0, 1, sides[1], dtype=np.float32)[None, None, :, None]
    values = np.concatenate([noise, np.broadcast_to(ramp, (1, *sides, channels))])
    dtype = np.dtype(engine.input.dtype)
    if np.issubdtype(dtype, np.integer):
        least = np.iinfo(dtype).min
        return (values * 255 + least).astype(dtype)
    return (values * (high - low) + low).astype(dtype)


def _one_by_one(engine: EngineBase, images: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    parts = [engine.infer(images[i : i + 1]) for i in range(len(images))]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _in_batches(
    engine: EngineBase, images: NDArray[np.generic], batch: int
) -> list[NDArray[np.generic]]:
    parts = [engine.infer(images[i : i + batch]) for i in range(0, len(images), batch)]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _seconds(engine: EngineBase, images: NDArray[np.generic]) -> float:
    """Seconds an image in the least disturbed of a few calls."""
    taken: list[float] = []
    while len(taken) < LEAST_CALLS or (sum(taken) < TURN and len(taken) < MOST_CALLS):
        start = time.perf_counter()
        engine.infer(images)
        taken.append(time.perf_counter() - start)
    return min(taken) / len(images)


if __name__ == "__main__":
    main()
