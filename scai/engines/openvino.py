"""OpenVINO: the fastest on Intel and AMD processors for frozen graphs, SavedModels and ONNX.

A model frozen with a batch of 1 gets a free batch. A run at the start shows whether it then still
gives the same answers; if not, images run one by one. The plans beside the default fix the batch
at 1, which OpenVINO computes faster, and run the images of a batch in parallel streams.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.engines._openvino_network import (
    fix_batch,
    free_batch,
    network_between,
    port_dtype,
    port_name,
    port_sides,
)
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
    one_line,
    release,
    run_batch,
    runs_together,
)
from scai.errors import ConfigError, EngineError, UnsupportedModel

SUFFIXES = (".pb", "", ".onnx", ".tflite", ".xml")
_LATENCY: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
# Where other processes take turns on the cores, threads tied to one of them wait for it.
_UNPINNED: dict[str, Any] = {"ENABLE_CPU_PINNING": False}


def available() -> bool:
    """Whether the package openvino is installed."""
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    """The release of the package openvino."""
    return release("openvino", "openvino")


def plans(model: ModelFile) -> list[Plan]:
    """The plans worth trying; streams share one copy of the weights."""
    return lane_plans(model, model.threads or cores(), lambda plan: 2 if plan.whole else 1)


def library() -> Any:
    """Import openvino without its telemetry. Raises ConfigError when it is not installed.

    By itself, the import starts a thread and a process that report to Google Analytics, and writes
    a client number into the home folder. It does neither where the reporting package is missing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ConfigError("engine openvino: install the package openvino") from error
    return openvino


class Engine(EngineBase):
    """A model compiled for the processor, with the latency hint unless a plan says otherwise."""

    name = "openvino"

    def __init__(self, model: ModelFile) -> None:
        self._ov = library()
        self._model = model
        self._core = self._ov.Core()
        self.plan = model.plan
        self._request: Any = None
        self._lanes: list[Any] = []
        self._use_lock = threading.Lock()
        try:
            network = self._read()
            self._describe_ends(network)
            self._one_by_one = True
            if self.plan.lanes:
                self._load_lanes(network)
            else:
                self._one_by_one = not self._load_default(network)
        except (RuntimeError, ValueError, TypeError) as error:
            raise UnsupportedModel(f"openvino cannot read {model.path}: {one_line(error)}") from (
                error
            )

    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run `(b, h, w, c)`; see EngineBase."""
        check_batch(self.name, batch, self.input)
        try:
            with self._use_lock:
                if self._request is None:
                    raise RuntimeError("the engine is closed")
                if self._lanes and len(batch) > 1:
                    return self._run_lanes(batch)
                return run_batch(batch, self._one_by_one, self._run)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EngineError(f"openvino: {self._model.path.name}: {one_line(error)}") from error

    def close(self) -> None:
        """Drop the compiled model, after the batch that is running."""
        with self._use_lock:
            self._request = None
            self._lanes = []

    def describe(self) -> str:
        """One line for the log."""
        mode = "one by one" if self._one_by_one else "free batch"
        if self.plan.lanes:
            mode = str(self.plan)
        threads = self._model.threads or cores()
        return f"openvino {self._ov.__version__.split('-')[0]}, CPU, {threads} threads, {mode}"

    def _as_read(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """The batch in the model's order of axes, in one piece."""
        if self._channels_first:
            batch = batch.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(batch)

    def _run_lanes(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run each image in a free stream; twice as many requests keep all streams busy."""
        batch = self._as_read(batch)
        rows, requests = Rows(len(batch)), self._lanes
        try:
            for i in range(len(batch) + len(requests)):
                request, oldest = requests[i % len(requests)], i - len(requests)
                if oldest >= 0:
                    request.wait()
                    ends = range(len(self.outputs))
                    rows.put(oldest, [request.get_output_tensor(end).data for end in ends])
                if i < len(batch):
                    request.start_async({0: batch[i : i + 1]}, share_inputs=True)
        except BaseException:
            # The other requests still read the batch.
            for request in requests:
                request.cancel()
            for request in requests:
                with contextlib.suppress(RuntimeError):
                    request.wait()
            raise
        return rows.arrays

    def _run(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        batch = self._as_read(batch)
        results = self._request.infer({0: batch}, share_inputs=True, share_outputs=False)
        return [results[i] for i in range(len(self.outputs))]

    def _read(self) -> Any:
        """Read the model, cut at the layers of the configuration."""
        model = self._model
        if not model.path.exists():
            raise ConfigError(f"{model.path}: no such model")
        if model.cache is not None:
            self._core.set_property({"CACHE_DIR": str(model.cache)})
        network = network_between(self._ov, self._core.read_model(str(model.path)), model)
        if len(network.inputs) != 1:
            names = ", ".join(sorted(port_name(port) for port in network.inputs))
            raise UnsupportedModel(f"{model.path}: expected one input, got {names or 'none'}")
        shape = network.inputs[0].get_partial_shape()
        if shape.rank.is_dynamic or len(shape) != 4:
            raise UnsupportedModel(f"{model.path}: expected an input (b, h, w, c), got {shape}")
        return network

    def _describe_ends(self, network: Any) -> None:
        """Set `input` and `outputs`."""
        port = network.inputs[0]
        sides = port_sides(port)
        # ONNX models of other frameworks take (b, c, h, w); engines take (b, h, w, c).
        self._channels_first = sides[1] in (1, 3) and sides[3] not in (1, 3)
        if self._channels_first:
            sides = (sides[0], sides[2], sides[3], sides[1])
        self.input = TensorSpec(port_name(port), (None, *sides[1:]), port_dtype(port))
        names: Sequence[str] = self._model.outputs or ("",) * len(network.outputs)
        self.outputs = tuple(
            TensorSpec(port_name(out, name), (None, *port_sides(out)[1:]), port_dtype(out))
            for out, name in zip(network.outputs, names, strict=True)
        )
        tensors = [spec.name for spec in self.outputs if spec.dtype in ("uint8", "int8")]
        if tensors:
            # OpenVINO keeps the whole numbers and loses the scale that gives them a meaning.
            raise UnsupportedModel(
                f"{self._model.path}: openvino loses the scale of {', '.join(tensors)}"
            )

    def _load_lanes(self, network: Any) -> None:
        """Compile for single images, which run in streams, and warm up."""
        fix_batch(network)
        if self.plan.lanes > 1 and self._model.batch != 1:
            self._lanes = self._stream_requests(network)
        if self._lanes and not self.plan.whole:
            self._request = self._lanes[0]
        else:
            self._request = self._request_for_one(network)
        self._run(example(self.input, 1))
        if self._lanes:
            self._run_lanes(example(self.input, 2))

    def _stream_requests(self, network: Any) -> list[Any]:
        """Requests that run side by side, two for each stream."""
        lanes, threads = self.plan.lanes, self._model.threads or cores()
        streams = {"NUM_STREAMS": lanes, "INFERENCE_NUM_THREADS": threads}
        compiled = self._compile(network, _UNPINNED | streams)
        return [compiled.create_infer_request() for _ in range(2 * lanes)]

    def _request_for_one(self, network: Any) -> Any:
        """A request for an image that comes alone: on all threads, or on those of one lane."""
        share: dict[str, Any] = {}
        if self.plan.lanes > 1 and not self.plan.whole:
            threads = self._model.threads or cores()
            share = {"INFERENCE_NUM_THREADS": max(1, threads // self.plan.lanes)}
        return self._compile(network, _UNPINNED | _LATENCY | share).create_infer_request()

    def _load_default(self, network: Any) -> bool:
        """Compile and warm up; return whether a batch may be one call."""
        request_for_one = self._compile(network, _LATENCY).create_infer_request()
        free = None if self._model.batch == 1 else self._free_request(network, request_for_one)
        if free is not None:
            self._request = free
            try:
                if runs_together(self._run, self.input, (RuntimeError, ValueError)):
                    return True
            except RuntimeError:
                if free is request_for_one:
                    raise
        self._request = request_for_one
        self._run(example(self.input, 1))
        return False

    def _free_request(self, network: Any, request_for_one: Any) -> Any:
        """A request that takes any batch: `request_for_one` if it does; None if there is none."""
        if network.inputs[0].get_partial_shape()[0].is_dynamic:
            return request_for_one
        if len(self.outputs) > 1:
            # Detectors are full of constants that hold the batch. OpenVINO 2026.4 does not refuse
            # them with another one: it ends the process.
            return None
        try:
            free_batch(self._ov, network)
            return self._compile(network, _LATENCY).create_infer_request()
        except RuntimeError:
            return None

    def _compile(self, network: Any, options: dict[str, Any]) -> Any:
        # Left alone, processors with bfloat16 compute in it, and a real model of the original then
        # names other classes than TensorFlow does.
        defaults: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if self._model.threads:
            defaults["INFERENCE_NUM_THREADS"] = self._model.threads
        return self._core.compile_model(network, "CPU", defaults | options)
