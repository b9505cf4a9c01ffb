"""LiteRT (TensorFlow Lite): every .tflite, quantised ones and detectors with post-processing too.

Outputs that are quantised are given out as real numbers; inputs stay as the model wants them, and
`input.scale` says how.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.engines.base import (
    EngineBase,
    ModelFile,
    TensorSpec,
    check_batch,
    cores,
    example,
    missing_layer,
    one_line,
    plain_name,
    run_batch,
    runs_together,
)
from scai.errors import ConfigError, EngineError, UnsupportedModel

SUFFIXES = (".tflite",)


def available() -> bool:
    """Whether the package ai-edge-litert is installed."""
    return importlib.util.find_spec("ai_edge_litert") is not None


class Engine(EngineBase):
    """One interpreter on all threads, with XNNPACK where the model allows."""

    name = "litert"

    def __init__(self, model: ModelFile) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError("engine litert: install the package ai-edge-litert") from error
        if not model.path.exists():
            raise ConfigError(f"{model.path}: no such model")
        self._model = model
        self._shape: tuple[int, ...] = ()
        self._threads = model.threads or cores()
        try:
            self._interpreter: Any = Interpreter(str(model.path), num_threads=self._threads)
            self._state()
            self._one_by_one = not self._warm_up()
        except (RuntimeError, ValueError, TypeError) as error:
            raise UnsupportedModel(f"litert cannot read {model.path}: {one_line(error)}") from error

    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run `(b, h, w, c)`; see EngineBase."""
        check_batch(self.name, batch, self.input)
        try:
            return run_batch(batch, self._one_by_one, self._run)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EngineError(f"litert: {self._model.path.name}: {one_line(error)}") from error

    def close(self) -> None:
        """Drop the interpreter."""
        self._interpreter = None

    def describe(self) -> str:
        """One line for the log."""
        mode = "one by one" if self._one_by_one else "free batch"
        return f"litert, CPU, {self._threads} threads, {mode}"

    def _state(self) -> None:
        """Fill `input` and `outputs`, cut to the layers of the configuration."""
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1 or len(inputs[0]["shape"]) != 4:
            shapes = ", ".join(str(list(i["shape"])) for i in inputs)
            raise UnsupportedModel(
                f"{self._model.path}: expected one input (b, h, w, c), got {shapes}"
            )
        names = self._signature_names()
        self._input = int(inputs[0]["index"])
        self.input = _spec(inputs[0], names)
        if self._model.inputs and not _is(inputs[0], self.input.name, self._model.inputs[0]):
            raise missing_layer(self._model.inputs[0], [self.input.name], self._model)
        details = self._interpreter.get_output_details()
        specs = [_spec(detail, names) for detail in details]
        chosen = [self._choose(details, specs, name) for name in self._model.outputs]
        chosen = chosen or list(range(len(details)))
        self._outputs = [int(details[i]["index"]) for i in chosen]
        # Given out as real numbers, whatever the model holds.
        self._scales = [(specs[i].scale, specs[i].zero_point) for i in chosen]
        self.outputs = tuple(
            TensorSpec(s.name, s.shape, "float32" if s.scale else s.dtype)
            for s in (specs[i] for i in chosen)
        )

    def _choose(self, details: list[Any], specs: list[TensorSpec], wanted: str) -> int:
        for i, detail in enumerate(details):
            if _is(detail, specs[i].name, wanted):
                return i
        raise missing_layer(wanted, [s.name for s in specs], self._model)

    def _signature_names(self) -> dict[int, str]:
        """Tensor number -> the name that the exporting program gave it, if it gave any."""
        signatures = self._interpreter.get_signature_list()
        if not signatures:
            return {}
        key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
        runner = self._interpreter.get_signature_runner(key)
        details = {**runner.get_input_details(), **runner.get_output_details()}
        return {int(detail["index"]): name for name, detail in details.items()}

    def _warm_up(self) -> bool:
        """Run once or twice; return whether batches of more than one image may come."""
        if self._model.batch == 1:
            self._run(example(self.input, 1))
            return False
        free = runs_together(self._run, self.input, (RuntimeError, ValueError))
        if not free:
            # A refused shape leaves the interpreter half way; bring it back.
            self._run(example(self.input, 1))
        return free

    def _run(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        interpreter = self._interpreter
        if self._shape != batch.shape:
            self._shape = ()  # unless all of this goes well, begin again next time
            interpreter.resize_tensor_input(self._input, batch.shape)
            interpreter.allocate_tensors()
            self._shape = batch.shape
        interpreter.set_tensor(self._input, batch)
        interpreter.invoke()
        return [
            _real(interpreter.get_tensor(index), scale, zero)
            for index, (scale, zero) in zip(self._outputs, self._scales, strict=True)
        ]


def _real(array: NDArray[Any], scale: float, zero: int) -> NDArray[np.generic]:
    return (array.astype(np.float32) - zero) * np.float32(scale) if scale else array


def _is(detail: Any, shown: str, wanted: str) -> bool:
    names = {shown, detail["name"], plain_name(detail["name"]).split(";")[0]}
    return wanted in names or plain_name(wanted) in names


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
