"""The contract of every engine: tensors in, tensors out, nothing about images.

A module `scai/engines/<name>.py` exports

- `Engine`, a class that fulfils `EngineBase`;
- `SUFFIXES`, the kinds of model file it reads, "" for a SavedModel directory;
- `available()`, whether its library is installed, found without importing it;

and may export

- `version()`, the release of the library, found without importing it;
- `plans(model)`, the plans worth trying beside the default one;
- `MIN_GAIN`, how many times faster than another engine it has to be to replace it (1.05 unless
  stated).
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.errors import ConfigError, EngineError

# Height and width in pixels of an example for a model that takes any size.
EXAMPLE_SIDE = 64
# Relative and absolute tolerance within which two outputs are the same.
SAME = 1e-3
# Bytes of model files that one engine may hold at once to be faster.
MAX_COPIES_BYTES = 128 * 1024 * 1024

Run = Callable[[NDArray[np.generic]], list[NDArray[np.generic]]]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model: its name, its shape (None = free) and its dtype name.

    The real value of a quantised input is `(stored - zero_point) * scale`; a scale of 0 means
    that it is not quantised. Outputs are always returned as real values.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Plan:
    """How an engine shares its threads among the images of a batch.

    With 0 `lanes` (the default plan, shown as "plain") a batch is one call on all threads. With 1,
    each image is a call of its own on all threads. With more, that many images run side by side,
    each on its share of the threads; `whole` then gives a single image all threads, at the price
    of holding the model twice.
    """

    lanes: int = 0
    whole: bool = False

    def __str__(self) -> str:
        if self.lanes < 2:
            return "images one by one" if self.lanes else "plain"
        return f"{self.lanes} lanes" + (", one image on all threads" if self.whole else "")


PLAIN = Plan()


@dataclass(frozen=True)
class ModelFile:
    """What an engine needs to load a model.

    `inputs` and `outputs` are tensor or operation names from the configuration; empty means the
    model's own. `threads` is the number of cores to use (0: all). `cache` is a folder for compiled
    models, or None. `classes` is the number of labels (0: unknown), for the engine without a
    model. `batch` is the most images in one call (0: any); with 1 an engine need not free a fixed
    batch. `plan` is how to share the threads; an engine with one plan only may ignore it.
    """

    path: Path
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    threads: int = 0
    cache: Path | None = None
    classes: int = 0
    batch: int = 0
    plan: Plan = PLAIN


class EngineBase(ABC):
    """A loaded model. Warm (one inference done where shapes are known) when constructed.

    `plan` is how it shares its threads. `speed_record` says, ready for JSON, why this engine and
    plan run the model (see scai/recognition/speed_records.py); it is empty without a speed trial.

    Construction raises UnsupportedModel when this engine cannot read the model and ConfigError
    when a named layer or the file does not exist.
    """

    name: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    plan: Plan = PLAIN
    speed_record: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def __init__(self, model: ModelFile) -> None: ...

    @abstractmethod
    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run a batch `(b, h, w, c)` in the input's dtype; arrays in the order of `outputs`.

        Every returned array has first axis b, whatever batch the model was frozen with.
        Raises only EngineError.
        """

    def close(self) -> None:  # noqa: B027, most engines hold nothing
        """Free what the library holds; the engine cannot be used afterwards."""

    def describe(self) -> str:
        """One line for the log: library, version, device, threads."""
        return self.name


def plain_name(name: str) -> str:
    """An operation's name from a layer of the configuration: no `import/` before, no `:0` after.

    The original imported its graphs under the prefix `import/`.
    """
    return name.removeprefix("import/").split(":")[0]


def missing_layer(name: str, layers: Iterable[str], model: ModelFile) -> ConfigError:
    """The error for a layer that the model does not have; it names the nearest of `layers`."""
    close = difflib.get_close_matches(plain_name(name), sorted(set(layers)), n=3, cutoff=0.4)
    nearest = f"; nearest: {', '.join(close)}" if close else ""
    text = f"{model.path}: expected a layer named {name!r}, got none{nearest}"
    return ConfigError(text, layer=name)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_line(error: BaseException, max_length: int = 300) -> str:
    """The text of a library's error as one line of at most `max_length` characters."""
    return " ".join(str(error).split())[:max_length] or type(error).__name__


def check_batch(engine: str, batch: NDArray[np.generic], spec: TensorSpec) -> None:
    """Raise EngineError unless the batch has the shape and dtype of the input."""
    fits = batch.ndim == len(spec.shape) and all(
        side is None or side == got for side, got in zip(spec.shape, batch.shape, strict=True)
    )
    if not fits or str(batch.dtype) != spec.dtype:
        shape = str(spec.shape).replace("None", "any")
        raise EngineError(
            f"{engine}: expected a batch {shape} of {spec.dtype}, "
            f"got {batch.shape} of {batch.dtype}"
        )


def run_batch(batch: NDArray[np.generic], one_by_one: bool, run: Run) -> list[NDArray[np.generic]]:
    """Run a batch at once, or image by image with the outputs joined."""
    if not one_by_one or len(batch) == 1:
        return run(batch)
    parts = [run(batch[i : i + 1]) for i in range(len(batch))]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


class Rows:
    """The outputs of a batch, joined from those of single images; each is copied once.

    Several threads may put the outputs of different images.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._lock = threading.Lock()
        self.arrays: list[NDArray[np.generic]] = []

    def put(self, index: int, arrays: Sequence[NDArray[np.generic]]) -> None:
        """Store the outputs of image `index`, each with first axis 1; else raise ValueError."""
        with self._lock:
            if not self.arrays:
                self.arrays = [np.empty((self._images, *a.shape[1:]), a.dtype) for a in arrays]
        for whole, array in zip(self.arrays, arrays, strict=True):
            if array.shape != (1, *whole.shape[1:]):
                raise ValueError(f"expected outputs {(1, *whole.shape[1:])}, got {array.shape}")
            whole[index] = array[0]


def lane_plans(model: ModelFile, threads: int, copies: Callable[[Plan], int]) -> list[Plan]:
    """The plans beside the default for `threads` threads and the largest batch of `model`.

    `copies(plan)` is how many copies of the model an engine would hold. Plans that need too much
    memory are left out, so that a large model is never held twice.
    """
    useful = min(threads, model.batch or threads)
    # Even a single image may run on a lane: a very small model is slower on all threads.
    lanes = sorted({n for n in (threads, useful, useful // 2) if n > 1}, reverse=True)
    plans = [Plan(1), *(Plan(n, whole) for n in lanes for whole in (False, True))]
    if model.batch == 1:
        plans = [Plan(1), *(Plan(n) for n in lanes)]
    size = size_of(model.path)
    return [plan for plan in plans if copies(plan) == 1 or copies(plan) * size <= MAX_COPIES_BYTES]


def size_of(path: Path) -> int:
    """The size of a model in bytes: one file, or all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def release(package: str, *names: str) -> str:
    """The installed release of a library by the folder of its distribution; "" if there is none.

    `names` are the distributions that may contain `package`. Nothing is imported.
    """
    spec = importlib.util.find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for name in names:
            for folder in sorted(Path(location).parent.glob(f"{name}-[0-9]*.dist-info")):
                return folder.name.removesuffix(".dist-info").rpartition("-")[2]
    return ""


def example(spec: TensorSpec, images: int) -> NDArray[np.generic]:
    """Noise in the shape and dtype of an input, for a warm-up; free sides are 64 long."""
    shape = (images, *(side or EXAMPLE_SIDE for side in spec.shape[1:]))
    noise = np.random.default_rng(0).random(shape, np.float32)
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        low = np.iinfo(spec.dtype).min
        return (noise * 255 + low).astype(spec.dtype)
    return noise.astype(spec.dtype)


def runs_together(run: Run, spec: TensorSpec, failures: tuple[type[Exception], ...]) -> bool:
    """Warm a model up, and check that two images at once give what each gives alone.

    Models frozen with a batch of 1 fail here, or mix their images up: both give False. Errors of
    the single images pass through.
    """
    images = example(spec, 2)
    alone = [run(images[i : i + 1]) for i in range(2)]
    expected = [np.concatenate(arrays) for arrays in zip(*alone, strict=True)]
    try:
        together = run(images)
    except failures:
        return False
    return all(
        got.shape == right.shape and np.allclose(got, right, rtol=SAME, atol=SAME)
        for got, right in zip(together, expected, strict=True)
    )


def output_index(outputs: Sequence[TensorSpec], name: str) -> int | None:
    """Position of the output called `name` (with or without `:0`), or None."""
    plain = name.split(":")[0]
    for index, spec in enumerate(outputs):
        if spec.name.split(":")[0] == plain:
            return index
    return None
