"""Compare the answers of two networks, and their speed on one core."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

from tools.network_files import runners
from tools.network_files.runners import Run
from tools.shrink.sources import Frozen

COMPARISON_SIDE = 224  # pixels, where a network takes any size
ENGINES = ("TensorFlow", "OpenVINO")
ROUNDS = 20
PATTERNS = (3, 8, 24)  # patches a side; to noise alone most networks answer the same


def examples(model: Frozen, mean: float, std: float) -> list[np.ndarray]:
    """Make random inputs (1, h, w, c) in the model's dtype: noise, and patches of colour.

    `mean`, `std`: of pixels 0..255, for a float input.
    """
    shape = [1, *(side or COMPARISON_SIDE for side in model.shape[1:])] if model.shape else [1]
    rng = np.random.default_rng(0)
    inputs = [rng.random(shape, np.float32)]
    if len(shape) == 4:
        size = shape[2], shape[1]
        for side in PATTERNS:
            patches = rng.random((side, side, shape[3]), np.float32)
            enlarged = cv2.resize(patches, size, interpolation=cv2.INTER_LINEAR)
            inputs.append(enlarged.reshape(shape))
    pixels = [np.rint(255 * x) for x in inputs]
    if np.issubdtype(np.dtype(model.dtype), np.integer):
        return [x.astype(model.dtype) for x in pixels]
    return [((x - mean) / std).astype(model.dtype) for x in pixels]


@contextmanager
def stored(model: Frozen) -> Iterator[Path]:
    """Write the network to a temporary .pb."""
    with tempfile.TemporaryDirectory(prefix="scai-") as folder:
        path = Path(folder) / "model.pb"
        path.write_bytes(model.definition.SerializeToString())
        yield path


def answers(model: Frozen, inputs: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Run each input through TensorFlow; returns the outputs of each."""
    with stored(model) as path:
        run = runners.frozen(path, model.input, list(model.outputs))
        return [run(x) for x in inputs]


def difference(
    expected: Sequence[Sequence[np.ndarray]], got: Sequence[Sequence[np.ndarray]]
) -> float:
    """Return the largest difference, relative to the output's largest value; inf: other shapes."""
    worst = 0.0
    for outputs, others in zip(expected, got, strict=True):
        if len(outputs) != len(others):
            return float("inf")
        worst = max([worst, *map(_of_arrays, outputs, others)])
    return worst


def _of_arrays(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return float("inf")
    if not a.size or np.array_equal(a, b):
        return 0.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    return float(np.abs(a - b).max() / max(np.abs(a).max(), np.finfo(np.float32).tiny))


def milliseconds(
    models: Sequence[Frozen], x: np.ndarray, progress: Callable[[int], object]
) -> list[dict[str, float | None]]:
    """Time a call on one core: for each model, engine -> milliseconds; None if it cannot run.

    The models take turns, so that other load on the machine affects all alike; the fastest call
    counts. `progress` is called after every turn.
    """
    times: list[dict[str, float | None]] = [{} for _ in models]
    for engine in ENGINES:
        with ExitStack() as stack:
            runs = [_opened(engine, m, stack.enter_context(stored(m))) for m in models]
            for _ in range(ROUNDS):
                for place, run in enumerate(runs):
                    took = runners.milliseconds(run, x, 1) if run else None
                    best = times[place].get(engine)
                    times[place][engine] = took if best is None or took is None else min(best, took)
                    progress(1)
    return times


def _opened(engine: str, model: Frozen, path: Path) -> Run | None:
    if engine == "TensorFlow":
        return runners.frozen(path, model.input, list(model.outputs))
    try:
        return runners.openvino(path, output_names=list(model.outputs))
    except (RuntimeError, ImportError):
        return None
