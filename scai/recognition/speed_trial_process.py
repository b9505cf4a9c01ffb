"""The process that times engines and plans: `python -m scai.recognition.speed_trial_process`.

It reads a request as JSON from its standard input (scai/recognition/speed_trials.py writes it) and
writes lines of JSON: `{"at": n}` before it works on the trial of that number, and as the last one
`{"done": [[single, many, refusal], ...]}`, seconds an image of each round for each trial.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
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

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Effort:
    """How much time the trials of one model get.

    No further plan is opened `opening` seconds after the reference. Timing takes `timing` seconds,
    three times as long on a busy machine, and five times at most. A turn is a few calls, of which
    the shortest counts; it ends after `max_calls` or `turn` seconds. A machine is busy when the
    median of a default plan is more than `uneven` times its shortest time. After `min_rounds`,
    plans that are more than `hopeless` times slower than the fastest get no more turns.
    """

    opening: float = 20.0
    timing: float = 3.0
    turn: float = 0.05
    min_rounds: int = 5
    max_rounds: int = 25
    min_calls: int = 2
    max_calls: int = 8
    uneven: float = 1.2
    hopeless: float = 1.3


def main(effort: Effort = Effort()) -> None:
    """Run the trials that the standard input asks for."""
    die_with_parent()
    request = json.loads(sys.stdin.read())
    # Libraries write to the standard output too; their words go where their errors go.
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)
        _Bench(request, out, effort).run()
    sys.stdout.flush()
    os._exit(0)  # skip the libraries' own end, which takes long


class _Bench:
    """Opens engines, compares their answers with the reference, and times them."""

    def __init__(self, request: dict[str, Any], out: TextIO, effort: Effort) -> None:
        self._request = request
        self._batch = int(request["batch"])
        self._out = out
        self._effort = effort
        self._trials = [Trial(name, Plan(lanes, whole)) for name, lanes, whole in request["trials"]]
        self._engines: dict[int, EngineBase] = {}
        self._images: Array | None = None
        self._expected: list[Array] = []
        self._reference = ""
        self._outputs: tuple[TensorSpec, ...] = ()

    def run(self) -> None:
        """Open and time every trial; the last line written is the result."""
        self._open_all()
        self._time_all()
        self._write(done=[[t.single, t.many, t.refusal] for t in self._trials])

    def _write(self, **message: Any) -> None:
        print(json.dumps(message), file=self._out, flush=True)

    def _open_all(self) -> None:
        end = time.monotonic() + self._effort.opening
        for number, trial in enumerate(self._trials):
            self._write(at=number)
            if number == 1:
                # The reference takes the time it needs.
                end = time.monotonic() + self._effort.opening
            if time.monotonic() > end and self._engines:
                trial.refusal = "no time was left for it"
                continue
            try:
                self._open(number, trial)
            except ScaiError as error:
                trial.refusal = error.message
            except Exception as error:
                # Whatever error a library raises, the other plans must still be tried.
                trial.refusal = one_line(error)

    def _open(self, number: int, trial: Trial) -> None:
        """Load an engine, and keep it for timing if its answers are those of the reference."""
        if trial.plan != PLAIN and not self._has_default(trial.engine):
            raise EngineError("its default plan cannot be used either")
        request = self._request
        model = ModelFile(
            Path(request["path"]),
            tuple(request["inputs"]),
            tuple(request["outputs"]),
            request["threads"],
            batch=self._batch,
            plan=trial.plan,
        )
        engine: EngineBase = plugins.load("engines", trial.engine).Engine(model)
        if self._images is None:
            self._images = sample_images(engine.input, self._batch, *request["images"])
            self._expected = _infer(engine, self._images, 1)
            self._reference, self._outputs = trial.engine, engine.outputs
        order = output_order(engine.outputs, self._outputs)
        for batch in (self._batch, 1):
            outputs = _infer(engine, self._images, batch)
            check_same([outputs[place] for place in order], self._expected, self._reference)
        self._engines[number] = engine

    def _has_default(self, engine: str) -> bool:
        """Whether the default plan of an engine was opened."""
        trials = [self._trials[number] for number in self._engines]
        return any(trial.engine == engine and trial.plan == PLAIN for trial in trials)

    def _time_all(self) -> None:
        """Time in rounds of one turn each, so that a slow moment affects all trials."""
        if self._images is None or not self._engines:
            return
        effort, start = self._effort, time.monotonic()
        candidates = dict(self._engines)
        for rounds in range(effort.max_rounds):
            if self._is_enough(rounds, time.monotonic() - start):
                break
            if rounds == effort.min_rounds:
                candidates = self._promising(candidates)
            for number, engine in candidates.items():
                self._write(at=number)
                self._take_turn(self._trials[number], engine, self._images)

    def _is_enough(self, rounds: int, seconds: float) -> bool:
        """Whether timing may stop after so many rounds and seconds."""
        effort = self._effort
        enough = effort.timing if self._is_quiet() else 3 * effort.timing
        return seconds > enough and (rounds >= effort.min_rounds or seconds > 5 * effort.timing)

    def _is_quiet(self) -> bool:
        """Whether the times are so even that nothing else seems to run on this machine."""
        defaults = [t.many for t in self._trials if t.plan == PLAIN and t.many]
        return all(np.median(times) < self._effort.uneven * min(times) for times in defaults)

    def _take_turn(self, trial: Trial, engine: EngineBase, images: Array) -> None:
        engine.infer(images[:1])
        single = self._seconds(engine, images[:1])
        trial.single.append(single)
        trial.many.append(
            self._seconds(engine, images[: self._batch]) if self._batch > 1 else single
        )

    def _seconds(self, engine: EngineBase, images: Array) -> float:
        """Seconds an image in the least disturbed of a few calls."""
        effort = self._effort
        calls: list[float] = []
        while len(calls) < effort.min_calls or (
            sum(calls) < effort.turn and len(calls) < effort.max_calls
        ):
            start = time.perf_counter()
            engine.infer(images)
            calls.append(time.perf_counter() - start)
        return min(calls) / len(images)

    def _promising(self, candidates: dict[int, EngineBase]) -> dict[int, EngineBase]:
        """The default plans, and all that may still turn out to be the fastest."""
        shortest = {n: min(self._trials[n].single) * min(self._trials[n].many) for n in candidates}
        limit = min(shortest.values()) * self._effort.hopeless**2
        rest = {
            n: engine
            for n, engine in candidates.items()
            if shortest[n] < limit or self._trials[n].plan == PLAIN
        }
        for number in candidates.keys() - rest.keys():
            self._trials[number].refusal = "slower"
        return rest


def output_order(outputs: Sequence[TensorSpec], reference: Sequence[TensorSpec]) -> list[int]:
    """For each output of the reference its place in `outputs`: by name, else by position."""
    names = [spec.name.removesuffix(":0") for spec in outputs]
    reference_names = [spec.name.removesuffix(":0") for spec in reference]
    if sorted(names) == sorted(reference_names) and len(set(names)) == len(names):
        return [names.index(name) for name in reference_names]
    return list(range(len(outputs)))


def check_same(outputs: Sequence[Array], expected: Sequence[Array], reference: str) -> None:
    """Raise EngineError unless the outputs agree with those of the engine `reference`."""
    if len(outputs) != len(expected):
        raise EngineError(
            f"expected the {len(expected)} outputs of {reference}, got {len(outputs)}"
        )
    for got, right in zip(outputs, expected, strict=True):
        if got.shape != right.shape:
            raise EngineError(f"expected the outputs {right.shape} of {reference}, got {got.shape}")
        if not np.allclose(got, right, rtol=SAME, atol=SAME, equal_nan=True):
            apart = float(np.nanmax(np.abs(got.astype(np.float64) - right.astype(np.float64))))
            raise EngineError(f"its answers differ from those of {reference} by up to {apart:.2g}")


def sample_images(spec: TensorSpec, batch: int, low: float, high: float, side: int) -> Array:
    """`batch` images of noise and a gradient, in the shape and dtype of the input `spec`.

    Values go from `low` to `high`, of whole numbers over the dtype's lowest 256; free sides are
    `side` pixels long.
    """
    sides = [fixed or side for fixed in spec.shape[1:3]]
    channels = spec.shape[3] or 3
    noise = np.random.default_rng(0).random((batch, *sides, channels), np.float32)
    ramp = np.linspace(0, 1, sides[1], dtype=np.float32)[None, None, :, None]
    values = np.concatenate([noise, np.broadcast_to(ramp, (1, *sides, channels))])
    dtype = np.dtype(spec.dtype)
    if np.issubdtype(dtype, np.integer):
        return (values * 255 + np.iinfo(dtype).min).astype(dtype)
    return (values * (high - low) + low).astype(dtype)


def _infer(engine: EngineBase, images: Array, batch: int) -> list[Array]:
    """The outputs of all images, run `batch` at a time."""
    parts = [engine.infer(images[i : i + batch]) for i in range(0, len(images), batch)]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


if __name__ == "__main__":
    main()
