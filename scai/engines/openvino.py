"""OpenVINO: the fastest on Intel and AMD processors for frozen graphs, SavedModels and ONNX.

A model frozen with a batch of 1 gets a free batch; whether it then still says the same is tried
out once, at the start, and if not, images run one by one. The plans beside the plain one fix the
batch at 1, which OpenVINO computes faster, and run the images of a batch in streams of their own.
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

SUFFIXES = (".pb", "", ".onnx", ".tflite", ".xml")
_LATENCY: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}


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
    """The package openvino, kept from calling home. Raises ConfigError when it is not installed.

    Left alone, its import starts a thread and a process that report to Google Analytics and writes
    a client number into the home folder; it does without where the reporting package is missing.
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
        self._closing = threading.Lock()
        try:
            network = self._read()
            self._state(network)
            self._one_by_one = self.plan.lanes > 0
            if self.plan.lanes:
                self._load_lanes(network)
            else:
                self._one_by_one = not self._load(network)
        except (RuntimeError, ValueError, TypeError) as error:
            raise UnsupportedModel(f"openvino cannot read {model.path}: {one_line(error)}") from (
                error
            )

    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run `(b, h, w, c)`; see EngineBase."""
        check_batch(self.name, batch, self.input)
        try:
            with self._closing:
                if self._request is None:
                    raise RuntimeError("the engine is closed")
                if self._lanes and len(batch) > 1:
                    return self._run_lanes(batch)
                return run_batch(batch, self._one_by_one, self._run)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EngineError(f"openvino: {self._model.path.name}: {one_line(error)}") from error

    def close(self) -> None:
        """Drop the compiled model, after the batch that is running."""
        with self._closing:
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
        """Each image in whichever stream is free; twice as many requests keep them all busy."""
        batch = self._as_read(batch)
        rows, requests = Rows(len(batch)), self._lanes
        try:
            for i in range(len(batch) + len(requests)):
                request, before = requests[i % len(requests)], i - len(requests)
                if before >= 0:
                    request.wait()
                    ends = range(len(self.outputs))
                    rows.put(before, [request.get_output_tensor(end).data for end in ends])
                if i < len(batch):
                    request.start_async({0: batch[i : i + 1]}, share_inputs=True)
        except BaseException:
            # The others still read the batch.
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
        """The model, cut at the layers of the configuration."""
        model = self._model
        if not model.path.exists():
            raise ConfigError(f"{model.path}: no such model")
        if model.cache is not None:
            self._core.set_property({"CACHE_DIR": str(model.cache)})
        network = _cut(self._ov, self._core.read_model(str(model.path)), model)
        if len(network.inputs) != 1:
            names = ", ".join(sorted(_name(port) for port in network.inputs))
            raise UnsupportedModel(f"{model.path}: expected one input, got {names or 'none'}")
        shape = network.inputs[0].get_partial_shape()
        if shape.rank.is_dynamic or len(shape) != 4:
            raise UnsupportedModel(f"{model.path}: expected an input (b, h, w, c), got {shape}")
        return network

    def _state(self, network: Any) -> None:
        """Fill `input` and `outputs`."""
        port = network.inputs[0]
        sides = _sides(port)
        # ONNX models from other frameworks want (b, c, h, w); engines speak (b, h, w, c).
        self._channels_first = sides[1] in (1, 3) and sides[3] not in (1, 3)
        if self._channels_first:
            sides = (sides[0], sides[2], sides[3], sides[1])
        self.input = TensorSpec(_name(port), (None, *sides[1:]), _dtype(port))
        wanted: Sequence[str] = self._model.outputs or ("",) * len(network.outputs)
        self.outputs = tuple(
            TensorSpec(_name(out, name), (None, *_sides(out)[1:]), _dtype(out))
            for out, name in zip(network.outputs, wanted, strict=True)
        )
        whole = [spec.name for spec in self.outputs if spec.dtype in ("uint8", "int8")]
        if whole:
            # OpenVINO keeps the whole numbers and forgets the scale that gives them a meaning.
            raise UnsupportedModel(
                f"{self._model.path}: openvino does not tell the scale of {', '.join(whole)}"
            )

    def _load_lanes(self, network: Any) -> None:
        """Compile for single images and warm up, one image and two."""
        shape = network.inputs[0].get_partial_shape()
        if shape[0].is_dynamic:
            shape[0] = 1
            network.reshape({network.inputs[0]: shape})
        # Where other processes take turns on the cores, threads tied to one of them wait for it.
        free = {"ENABLE_CPU_PINNING": False}
        lanes, threads = self.plan.lanes, self._model.threads or cores()
        if lanes > 1 and self._model.batch == 1:
            alone = {"INFERENCE_NUM_THREADS": max(1, threads // lanes)}
            self._request = self._compiled(network, free | _LATENCY | alone).create_infer_request()
        elif lanes > 1:
            streams = {"NUM_STREAMS": lanes, "INFERENCE_NUM_THREADS": threads}
            compiled = self._compiled(network, free | streams)
            self._lanes = [compiled.create_infer_request() for _ in range(2 * lanes)]
            self._request = self._lanes[0]
        if lanes == 1 or self.plan.whole:
            compiled = self._compiled(network, free | _LATENCY)
            self._request = compiled.create_infer_request()
        self._run(example(self.input, 1))
        if self._lanes:
            self._run_lanes(example(self.input, 2))

    def _load(self, network: Any) -> bool:
        """Compile and warm up; return whether batches of more than one image may come."""
        self._request = self._compile(network)
        if self._model.batch == 1:
            self._run(example(self.input, 1))
            return False
        fixed = self._request
        if network.inputs[0].get_partial_shape()[0].is_static:
            if len(self.outputs) > 1:
                # Detectors are full of constants that know the batch. OpenVINO 2026.4 does not
                # refuse them with another one: it ends the process.
                self._run(example(self.input, 1))
                return False
            try:
                _free_batch(self._ov, network)
                self._request = self._compile(network)
            except RuntimeError:
                self._run(example(self.input, 1))
                return False
        try:
            if runs_together(self._run, self.input, (RuntimeError, ValueError)):
                return True
        except RuntimeError:
            if self._request is fixed:
                raise
        self._request = fixed
        self._run(example(self.input, 1))
        return False

    def _compile(self, network: Any) -> Any:
        return self._compiled(network, _LATENCY).create_infer_request()

    def _compiled(self, network: Any, wishes: dict[str, Any]) -> Any:
        # Left alone, processors with bfloat16 compute in it, and a real model of the seed then
        # names other classes than TensorFlow does.
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if self._model.threads:
            options["INFERENCE_NUM_THREADS"] = self._model.threads
        return self._core.compile_model(network, "CPU", options | wishes)


def _sides(port: Any) -> tuple[int | None, ...]:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return (None,)
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


def _name(port: Any, wanted: str = "") -> str:
    """What a port is called: as the configuration does, else as the model's file does.

    Operations that only pass a tensor on are optimised away and leave their names to it, so a
    tensor may have several; the result node keeps the one that the file's end had.
    """
    if wanted:
        return plain_name(wanted)
    own = str(port.node.get_friendly_name()).removesuffix(":0")
    names = sorted(str(name).removesuffix(":0") for name in port.get_names())
    return own if own in names or not names else names[0]


def _dtype(port: Any) -> str:
    return str(np.dtype(port.get_element_type().to_dtype()))


def _cut(ov: Any, network: Any, model: ModelFile) -> Any:
    """The part of the network between the named layers; the network itself if none is named."""
    ports = _ports(network)
    outputs = [_find(ports, name, model) for name in model.outputs] or list(network.outputs)
    sources = [_find(ports, name, model) for name in model.inputs]
    parameters = []
    for source in sources:
        if source.node.get_type_name() == "Parameter":
            parameters.append(source.node)
            continue
        parameter = ov.opset8.parameter(source.get_partial_shape(), source.get_element_type())
        parameter.output(0).set_names(source.get_names())
        for target in source.get_target_inputs():
            target.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    if not model.outputs and not any(s.node.get_type_name() != "Parameter" for s in sources):
        return network
    # An output of the network is a Result node; the model is made of what comes before it.
    ends = [
        port.node.input_value(0) if port.node.get_type_name() == "Result" else port
        for port in outputs
    ]
    return ov.Model(ends, parameters or list(network.get_parameters()), "cut")


def _ports(network: Any) -> dict[str, Any]:
    """Every tensor of the network by its names, and by its operation's name."""
    ports: dict[str, Any] = {}
    for node in network.get_ordered_ops():
        if node.get_type_name() == "Result":
            continue
        for port in node.outputs():
            for name in port.get_names():
                ports[name.removesuffix(":0")] = port
        if node.get_output_size():
            ports.setdefault(node.get_friendly_name(), node.output(0))
    for port in network.outputs:
        for name in port.get_names():
            ports[name.removesuffix(":0")] = port.node.input_value(0)
    return ports


def _find(ports: dict[str, Any], wanted: str, model: ModelFile) -> Any:
    exact = wanted.removeprefix("import/").removesuffix(":0")
    for name in (exact, plain_name(wanted)):
        if name in ports:
            return ports[name]
    raise missing_layer(wanted, ports, model)


def _free_batch(ov: Any, network: Any) -> None:
    """Let the first axis of the input be free, and with it that of every reshape behind it."""
    shape = network.inputs[0].get_partial_shape()
    shape[0] = ov.Dimension(-1)
    network.reshape({network.inputs[0]: shape})
    while _free_one_reshape(ov, network):
        network.validate_nodes_and_infer_types()


def _free_one_reshape(ov: Any, network: Any) -> bool:
    """A frozen graph may reshape to a constant [1, n]; let the first such keep its batch."""
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Reshape":
            continue
        source, pattern = node.input_value(0), node.input_value(1).node
        shape = source.get_partial_shape()
        if pattern.get_type_name() != "Constant" or shape.rank.is_dynamic or not len(shape):
            continue
        sides = np.array(pattern.get_data()).ravel()
        if shape[0].is_static or not len(sides) or sides[0] != 1 or 0 in sides:
            continue
        sides[0] = 0  # 0: as in the source
        freed = ov.opset8.reshape(source, ov.opset8.constant(sides), True)
        freed.output(0).set_names(node.output(0).get_names())
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(freed.output(0))
        return True
    return False
