"""TensorFlow: reads models that no other engine reads, such as TF1 control flow; slow to start."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.engines.base import (
    EngineBase,
    ModelFile,
    Run,
    TensorSpec,
    check_batch,
    example,
    missing_layer,
    one_line,
    plain_name,
    release,
    run_batch,
    runs_together,
)
from scai.errors import ConfigError, EngineError, UnsupportedModel

SUFFIXES = (".pb", "", ".keras", ".h5")
# It starts 5 s later and needs 500 MB more, so it has to be this many times faster.
MIN_GAIN = 1.25
# The outputs of a graph of the TF Object Detection API, which has other loose ends too.
_DETECTION = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")


def available() -> bool:
    """Whether the package tensorflow is installed."""
    return importlib.util.find_spec("tensorflow") is not None


def version() -> str:
    """The release of the package tensorflow, installed under either of its names."""
    return release("tensorflow", "tensorflow", "tensorflow_cpu")


class Engine(EngineBase):
    """A frozen TF1 graph in a session, or a SavedModel or Keras model as a function."""

    name = "tensorflow"

    def __init__(self, model: ModelFile) -> None:
        self._tf = _import()
        self._model = model
        if not model.path.exists():
            raise ConfigError(f"{model.path}: no such model")
        try:
            if model.threads:
                _limit_threads(self._tf, model.threads)
            self._run: Run = self._load()
            self._check_input()
            self._one_by_one = not self._warm_up()
        except (EngineError, ConfigError):
            raise
        except Exception as error:
            # TensorFlow and Keras raise nearly every class there is for a file they cannot read.
            raise UnsupportedModel(
                f"tensorflow cannot read {model.path}: {one_line(error)}"
            ) from error

    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run `(b, h, w, c)`; see EngineBase."""
        check_batch(self.name, batch, self.input)
        try:
            return run_batch(batch, self._one_by_one, self._run)
        except (self._tf.errors.OpError, ValueError, TypeError, RuntimeError) as error:
            raise EngineError(f"tensorflow: {self._model.path.name}: {one_line(error)}") from error

    def describe(self) -> str:
        """One line for the log."""
        mode = "one by one" if self._one_by_one else "free batch"
        return f"tensorflow {self._tf.__version__}, {mode}"

    def _load(self) -> Run:
        if self._model.path.suffix in (".keras", ".h5"):
            return self._load_keras()
        if self._model.path.is_dir():
            return self._load_saved_model()
        return self._load_frozen()

    def _load_frozen(self) -> Run:
        """Load a TF1 GraphDef into a session, which knows every kind of control flow."""
        tf = self._tf
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(self._model.path.read_bytes())
        for node in definition.node:
            # Frozen with a batch of 1: free it, and let the warm-up show whether that works.
            if node.op != "Placeholder":
                continue
            sides = node.attr["shape"].shape.dim
            if len(sides) == 4 and sides[0].size == 1:
                sides[0].size = -1
        graph = tf.Graph()
        with graph.as_default():
            tf.compat.v1.import_graph_def(definition, name="")
        source, results = self._ends(graph, definition)
        self.input = _spec(source)
        self.outputs = tuple(_spec(tensor) for tensor in results)
        session = tf.compat.v1.Session(graph=graph)
        call = session.make_callable(results, [source])
        return lambda batch: [np.asarray(array) for array in call(batch)]

    def _ends(self, graph: Any, definition: Any) -> tuple[Any, list[Any]]:
        """The input tensor and the output tensors: those named, else the graph's own."""
        model = self._model
        names = {node.name for node in definition.node}
        sources = {_operation(name) for node in definition.node for name in node.input}
        own = [n.name for n in definition.node if n.op == "Placeholder"][:1]
        detects = [name for name in (*_DETECTION, "detection_masks") if name in names]
        ends = [n.name for n in definition.node if n.name not in sources and n.op != "NoOp"]
        inputs = model.inputs or tuple(own)
        outputs = model.outputs or tuple(detects if len(detects) >= len(_DETECTION) else ends)
        if not inputs or not outputs:
            raise UnsupportedModel(f"{model.path}: expected a graph with a placeholder, got none")
        tensors = [self._tensor(graph, name, names) for name in (*inputs[:1], *outputs)]
        return tensors[0], tensors[1:]

    def _tensor(self, graph: Any, layer: str, names: set[str]) -> Any:
        name, _, port = layer.removeprefix("import/").partition(":")
        if name not in names:
            raise missing_layer(layer, names, self._model)
        return graph.get_tensor_by_name(f"{name}:{port or 0}")

    def _load_saved_model(self) -> Run:
        tf = self._tf
        saved_model = tf.saved_model.load(str(self._model.path))
        signatures = saved_model.signatures
        if not signatures:
            raise UnsupportedModel(f"{self._model.path}: expected a SavedModel with a signature")
        key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
        function = signatures[key]
        arguments = function.structured_input_signature[1]
        name = self._pick(self._model.inputs[:1], arguments)[0]
        results = self._pick(self._model.outputs, function.structured_outputs)
        self.input = _spec(arguments[name], name)
        self.outputs = tuple(_spec(function.structured_outputs[r], r) for r in results)

        def run(batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
            outputs = function(**{name: tf.constant(batch)})
            return [outputs[result].numpy() for result in results]

        self._keep_alive = saved_model  # its variables die with it
        return run

    def _pick(self, layers: tuple[str, ...], signature: Any) -> list[str]:
        """The names of a signature that the configuration asks for; if none, all, sorted."""
        names: list[str] = []
        for layer in layers:
            name = plain_name(layer)
            if name not in signature:
                raise missing_layer(layer, signature, self._model)
            names.append(name)
        return names or sorted(signature)

    def _load_keras(self) -> Run:
        tf = self._tf
        model = tf.keras.models.load_model(str(self._model.path), compile=False)
        model = self._between(model)
        source = model.inputs[0]
        self.input = TensorSpec(source.name, tuple(source.shape), str(source.dtype))
        self.outputs = tuple(
            TensorSpec(str(t.name), (None, *t.shape[1:]), str(t.dtype)) for t in model.outputs
        )
        signature = [tf.TensorSpec(source.shape, source.dtype)]
        function = tf.function(lambda x: model(x, training=False), input_signature=signature)

        def run(batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
            return [t.numpy() for t in tf.nest.flatten(function(tf.constant(batch)))]

        return run

    def _between(self, model: Any) -> Any:
        """The part of a Keras model from and to the layers that the configuration names."""
        layers = [layer.name for layer in model.layers]
        for name in (*self._model.inputs, *self._model.outputs):
            if plain_name(name) not in (*layers, *(t.name for t in model.inputs)):
                raise missing_layer(name, layers, self._model)
        if not self._model.outputs:
            return model
        outputs = [model.get_layer(plain_name(name)).output for name in self._model.outputs]
        return self._tf.keras.Model(model.inputs, outputs)

    def _check_input(self) -> None:
        shape: tuple[int | None, ...] = self.input.shape
        if len(shape) != 4 or len(self.outputs) == 0:
            raise UnsupportedModel(
                f"{self._model.path}: expected an input (b, h, w, c), got {shape}"
            )
        self.input = TensorSpec(self.input.name, (None, *shape[1:]), self.input.dtype)

    def _warm_up(self) -> bool:
        """Run once or twice; return whether a batch may be one call."""
        if self._model.batch == 1:
            self._run(example(self.input, 1))
            return False
        failures = (self._tf.errors.OpError, ValueError, TypeError)
        return runs_together(self._run, self.input, failures)


def _import() -> Any:
    """Import tensorflow without its messages about processors and graphics cards."""

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow
    except ImportError as error:
        raise ConfigError("engine tensorflow: install the package tensorflow-cpu") from error
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def _limit_threads(tf: Any, threads: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        pass  # already running, with the number of an earlier model


def _operation(name: str) -> str:
    return name.removeprefix("^").split(":")[0]


def _spec(tensor: Any, name: str = "") -> TensorSpec:
    sides = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
    return TensorSpec(name or tensor.name.removesuffix(":0"), (None, *sides[1:]), tensor.dtype.name)
