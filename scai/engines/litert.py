"""LiteRT (TensorFlow Lite): every .tflite, quantised ones and detectors with post-processing too.

Quantised outputs are returned as real numbers. Quantised inputs stay as the model has them;
`input.scale` says how. The plans beside the default run the images of a batch side by side in
several interpreters; the library releases Python's interpreter lock meanwhile.
"""

from __future__ import annotations

import importlib.util
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.engines.base import (
    EngineBase,
    ModelFile,
    Plan,
    Rows,
    TensorSpec,
    check_batch,
    cores,
    example,
    lane_plans,
    missing_layer,
    one_line,
    plain_name,
    release,
    run_batch,
    runs_together,
)
from scai.errors import ConfigError, EngineError, UnsupportedModel

SUFFIXES = (".tflite",)


def available() -> bool:
    """Whether the package ai-edge-litert is installed."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def version() -> str:
    """The release of the package ai-edge-litert."""
    return release("ai_edge_litert", "ai_edge_litert")


def plans(model: ModelFile) -> list[Plan]:
    """The plans worth trying; every interpreter holds a copy of the weights."""
    threads = model.threads or cores()
    return lane_plans(model, threads, lambda plan: plan.lanes + plan.whole)


class Engine(EngineBase):
    """One interpreter on all threads, or several on a share each; with XNNPACK where it can."""

    name = "litert"

    def __init__(self, model: ModelFile) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError("engine litert: install the package ai-edge-litert") from error
        if not model.path.exists():
            raise ConfigError(f"{model.path}: no such model")
        self._model = model
        self.plan = model.plan
        self._threads = model.threads or cores()
        self._lanes: list[_Interpreter] = []
        self._pool: ThreadPoolExecutor | None = None
        self._use_lock = threading.Lock()
        lanes = max(1, self.plan.lanes)
        share = self._threads // lanes

        def interpreter(threads: int) -> _Interpreter:
            return _Interpreter(Interpreter(str(model.path), num_threads=max(1, threads)))

        try:
            if lanes > 1 and model.batch != 1:
                self._lanes = [interpreter(share) for _ in range(lanes)]
            if self._lanes and not self.plan.whole:
                self._main: _Interpreter | None = self._lanes[0]
            else:
                self._main = interpreter(self._threads if self.plan.whole else share)
            self._describe_ends(self._main.interpreter)
            self._one_by_one = not self._warm_up()
        except (RuntimeError, ValueError, TypeError) as error:
            raise UnsupportedModel(f"litert cannot read {model.path}: {one_line(error)}") from error

    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run `(b, h, w, c)`; see EngineBase."""
        check_batch(self.name, batch, self.input)
        try:
            with self._use_lock:
                if self._lanes and len(batch) > 1:
                    return self._run_lanes(batch)
                return run_batch(batch, self._one_by_one, self._run)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EngineError(f"litert: {self._model.path.name}: {one_line(error)}") from error

    def close(self) -> None:
        """Drop the interpreters, after the batch that is running."""
        with self._use_lock:
            self._main = None
            self._lanes = []
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None

    def describe(self) -> str:
        """One line for the log."""
        mode = "one by one" if self._one_by_one else "free batch"
        if self.plan.lanes:
            mode = str(self.plan)
        return f"litert {version()}, CPU, {self._threads} threads, {mode}"

    def _describe_ends(self, interpreter: Any) -> None:
        """Set `input` and `outputs`, cut to the layers of the configuration."""
        inputs = interpreter.get_input_details()
        if len(inputs) != 1 or len(inputs[0]["shape"]) != 4:
            shapes = ", ".join(str(list(i["shape"])) for i in inputs)
            raise UnsupportedModel(
                f"{self._model.path}: expected one input (b, h, w, c), got {shapes}"
            )
        names = _signature_names(interpreter)
        self._input = int(inputs[0]["index"])
        self.input = _spec(inputs[0], names)
        if self._model.inputs and not _is_named(inputs[0], self.input.name, self._model.inputs[0]):
            raise missing_layer(self._model.inputs[0], [self.input.name], self._model)
        details = interpreter.get_output_details()
        specs = [_spec(detail, names) for detail in details]
        order = [self._output_place(details, specs, name) for name in self._model.outputs]
        order = order or list(range(len(details)))
        self._outputs = [int(details[i]["index"]) for i in order]
        # Returned as real numbers, whatever the model holds.
        self._scales = [(specs[i].scale, specs[i].zero_point) for i in order]
        self.outputs = tuple(
            TensorSpec(s.name, s.shape, "float32" if s.scale else s.dtype)
            for s in (specs[i] for i in order)
        )

    def _output_place(self, details: list[Any], specs: list[TensorSpec], layer: str) -> int:
        for i, detail in enumerate(details):
            if _is_named(detail, specs[i].name, layer):
                return i
        raise missing_layer(layer, [s.name for s in specs], self._model)

    def _warm_up(self) -> bool:
        """Run once or twice; return whether a batch may be one call."""
        if self._model.batch == 1 or self.plan.lanes:
            self._run(example(self.input, 1))
            if self._lanes:
                self._run_lanes(example(self.input, len(self._lanes)))
            return False
        free = runs_together(self._run, self.input, (RuntimeError, ValueError))
        if not free:
            # A refused shape leaves the interpreter half set up; run one image to set it up again.
            self._run(example(self.input, 1))
        return free

    def _run(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        if self._main is None:
            raise RuntimeError("the engine is closed")
        return self._outputs_of(self._main, batch)

    def _run_lanes(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run each image in a free interpreter; the calling thread serves the first one."""
        rows, places = Rows(len(batch)), itertools.count()

        def work(lane: _Interpreter) -> None:
            while (place := next(places)) < len(batch):
                rows.put(place, self._outputs_of(lane, batch[place : place + 1]))

        if self._pool is None:
            self._pool = ThreadPoolExecutor(len(self._lanes) - 1, "litert")
        others = [self._pool.submit(work, lane) for lane in self._lanes[1 : len(batch)]]
        try:
            work(self._lanes[0])
        finally:
            failures = [error for other in others if (error := other.exception())]
        for error in failures:
            raise error
        return rows.arrays

    def _outputs_of(
        self, lane: _Interpreter, batch: NDArray[np.generic]
    ) -> list[NDArray[np.generic]]:
        arrays = lane.run(self._input, batch, self._outputs)
        return [_real(array, *scale) for array, scale in zip(arrays, self._scales, strict=True)]


class _Interpreter:
    """One interpreter of the library, and the batch shape that it is set up for."""

    def __init__(self, interpreter: Any) -> None:
        self.interpreter = interpreter
        self._shape: tuple[int, ...] = ()

    def run(
        self, source: int, batch: NDArray[np.generic], ends: list[int]
    ) -> list[NDArray[np.generic]]:
        interpreter = self.interpreter
        if self._shape != batch.shape:
            self._shape = ()  # set up again next time, unless all of this succeeds
            interpreter.resize_tensor_input(source, batch.shape)
            interpreter.allocate_tensors()
            self._shape = batch.shape
        interpreter.set_tensor(source, batch)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in ends]


def _signature_names(interpreter: Any) -> dict[int, str]:
    """The names that the exporting program gave to tensors, by tensor number."""
    signatures = interpreter.get_signature_list()
    if not signatures:
        return {}
    key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
    runner = interpreter.get_signature_runner(key)
    details = {**runner.get_input_details(), **runner.get_output_details()}
    return {int(detail["index"]): name for name, detail in details.items()}


def _real(array: NDArray[Any], scale: float, zero: int) -> NDArray[np.generic]:
    return (array.astype(np.float32) - zero) * np.float32(scale) if scale else array


def _is_named(detail: Any, name: str, layer: str) -> bool:
    """Whether the configuration's `layer` means the tensor of `detail`, which we call `name`."""
    names = {name, detail["name"], plain_name(detail["name"]).split(";")[0]}
    return layer in names or plain_name(layer) in names


def _spec(detail: Any, names: dict[int, str]) -> TensorSpec:
    scales = detail["quantization_parameters"]["scales"]
    zeros = detail["quantization_parameters"]["zero_points"]
    shape = tuple(None if side < 0 else int(side) for side in detail["shape_signature"])
    return TensorSpec(
        names.get(int(detail["index"]), str(detail["name"])),
        (None, *shape[1:]),
        str(np.dtype(detail["dtype"])),
        float(scales[0]) if len(scales) else 0.0,
        int(zeros[0]) if len(zeros) else 0,
    )
