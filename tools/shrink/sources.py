"""Read any trained network as a frozen TF1 graph with a named input and named outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai.engines.base import ModelFile, missing_layer, one_line, plain_name
from scai.models.cards import CLASSIFICATION
from tools.common.errors import UserError
from tools.list_ops.guess import Verdict, guess
from tools.network_files import formats
from tools.network_files.facts import NetworkFacts

SOURCE_FORMATS = "a frozen .pb, a TF1 checkpoint (.meta), a SavedModel folder or a .keras file"


@dataclass(frozen=True)
class Frozen:
    """A network of one input: a TF1 GraphDef, and the names of input and outputs without `:0`.

    `shape` of the input, None where free; `dtype` its name, such as float32.
    """

    definition: Any
    input: str
    outputs: tuple[str, ...]
    shape: tuple[int | None, ...]
    dtype: str

    def __repr__(self) -> str:
        return f"Frozen({self.input} {self.shape} -> {', '.join(self.outputs)})"


def read(path: Path, input_layer: str = "", output_layer: str = "") -> Frozen:
    """Read the network of a file or folder. Raises UserError, ConfigError.

    `input_layer`, `output_layer` (several with commas) "": guessed as `scai list-ops` does.
    """
    outputs = tuple(plain_name(n.strip()) for n in output_layer.split(",") if n.strip())
    meta = _meta(path)
    if meta is not None:
        return _checkpoint(meta, plain_name(input_layer), outputs)
    if path.suffix.lower() in (".tflite", ".onnx"):
        raise UserError(
            f"{path}: a {path.suffix} cannot be converted again; give what it was made "
            f"from: {SOURCE_FORMATS}."
        )
    facts = formats.read(path)
    if path.suffix.lower() == ".pb" and path.name != "saved_model.pb":
        return _frozen(path, facts, plain_name(input_layer), outputs)
    served = _keras(path, facts) if path.suffix.lower() == ".keras" else _saved_model(path)
    return _from_function(path, served, plain_name(input_layer), outputs)


def _meta(path: Path) -> Path | None:
    """Return the .meta of a TF1 checkpoint, given any of its files; None for other files."""
    stem = path.with_suffix("") if path.suffix in (".meta", ".index") else path
    meta = stem.with_name(f"{stem.name}.meta")
    return meta if meta.is_file() and not path.is_dir() else None


def _frozen(path: Path, facts: NetworkFacts, source: str, outputs: Sequence[str]) -> Frozen:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    verdict = guess(facts, path.name)
    return of_graph(path, definition, source or _input(facts, verdict), outputs or _outputs(facts))


def _input(facts: NetworkFacts, verdict: Verdict) -> str:
    layer = verdict.keys.get("INPUT_LAYER")
    return layer.value if layer else ""


def _outputs(facts: NetworkFacts) -> tuple[str, ...]:
    """Return the one output of a classifier, or all outputs of another network."""
    verdict = guess(facts)
    layer = verdict.keys["OUTPUT_LAYER"].value if verdict.kind.value == CLASSIFICATION else ""
    return (layer,) if layer else tuple(tensor.name for tensor in facts.outputs)


def of_graph(path: Path, definition: Any, source: str, outputs: Sequence[str]) -> Frozen:
    """Check that a GraphDef has this input and these outputs. Raises UserError, ConfigError."""
    import tensorflow as tf

    nodes = {node.name for node in definition.node}
    for name in (source, *outputs):
        if name and name not in nodes:
            raise missing_layer(name, nodes, ModelFile(path))
    if not source or not outputs:
        end = "an output; name it with --output_layer" if source else "an input; --input_layer"
        raise UserError(f"{path}: expected {end}, found none.")
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.import_graph_def(definition, name="")
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"{path}: TensorFlow cannot read it: {one_line(error, 160)}.") from error
    tensor = graph.get_operation_by_name(source).outputs[0]
    shape = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else ()
    return Frozen(definition, source, tuple(outputs), shape, tensor.dtype.name)


@dataclass(frozen=True)
class _Served:
    """A function of one tensor to a list of tensors; `keeps` keeps its variables alive."""

    function: Callable[[Any], list[Any]]
    input: str
    outputs: tuple[str, ...]
    shape: tuple[int | None, ...]
    dtype: Any
    keeps: Any


def _saved_model(path: Path) -> _Served:
    """Load the serving signature of a SavedModel folder."""
    import tensorflow as tf

    folder = path.parent if path.name == "saved_model.pb" else path
    try:
        loaded = tf.saved_model.load(str(folder))
        signatures = loaded.signatures
    except (ValueError, OSError, KeyError, AttributeError, tf.errors.OpError) as error:
        raise UserError(f"{path}: TensorFlow cannot load it: {one_line(error, 160)}.") from error
    if not signatures:
        raise UserError(f"{path}: expected a SavedModel with a signature for serving, got none.")
    key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
    signature = signatures[key]
    takes = signature.structured_input_signature[1]
    if len(takes) != 1:
        raise UserError(f"{path}: expected one input, got {', '.join(takes)}.")
    [(name, spec)] = takes.items()
    outputs = tuple(sorted(signature.structured_outputs))

    def function(x: Any) -> list[Any]:
        results = signature(**{name: x})
        return [results[output] for output in outputs]

    return _Served(function, name, outputs, tuple(spec.shape.as_list()), spec.dtype, loaded)


def _keras(path: Path, facts: NetworkFacts) -> _Served:
    import tensorflow as tf

    try:
        model = tf.keras.models.load_model(str(path), compile=False)
    except Exception as error:
        # Layers of one's own fail to load in nearly every way; none is the user's of this command.
        raise UserError(f"{path}: Keras cannot load it: {one_line(error, 160)}.") from error
    if len(model.inputs) != 1:
        raise UserError(f"{path}: expected one input, got {len(model.inputs)}.")
    [source] = model.inputs
    names = tuple(tensor.name for tensor in facts.outputs)
    if len(names) != len(model.outputs):
        names = tuple(f"output_{i}" for i in range(len(model.outputs)))

    def function(x: Any) -> list[Any]:
        return list(tf.nest.flatten(model(x, training=False)))

    name = facts.inputs[0].name if facts.inputs else "input"
    dtype = tf.as_dtype(source.dtype)
    return _Served(function, name, names, tuple(source.shape), dtype, model)


def _from_function(path: Path, served: _Served, source: str, outputs: Sequence[str]) -> Frozen:
    """Freeze what a file serves, with the names that it serves it under."""
    import tensorflow as tf

    from tools.network_files.export import frozen_graph

    file = ModelFile(path)
    if source and source != served.input:
        raise missing_layer(source, [served.input], file)
    for name in outputs:
        if name not in served.outputs:
            raise missing_layer(name, served.outputs, file)
    names = tuple(outputs) or served.outputs
    places = [served.outputs.index(name) for name in names]

    def function(x: Any) -> list[Any]:
        results = served.function(x)
        return [results[place] for place in places]

    try:
        data = frozen_graph(function, served.shape, served.dtype, served.input, names)
        definition = tf.compat.v1.GraphDef.FromString(data)
    except (ValueError, TypeError, AssertionError, tf.errors.OpError) as error:
        raise UserError(f"{path}: it cannot be frozen: {one_line(error, 160)}.") from error
    return of_graph(path, definition, served.input, names)


def _checkpoint(meta: Path, source: str, outputs: Sequence[str]) -> Frozen:
    """Read the graph of a .meta and freeze the weights beside it into it."""
    import tensorflow as tf

    v1 = tf.compat.v1
    weights = meta.with_suffix("")
    if not weights.with_name(f"{weights.name}.index").is_file():
        raise UserError(f"{meta}: expected its weights in {weights.name}.index, got none.")
    if not outputs:
        raise UserError(f"{meta}: a graph for training has many ends; name --output_layer.")
    try:
        with tf.Graph().as_default() as graph, v1.Session() as session:
            v1.train.import_meta_graph(str(meta), clear_devices=True).restore(session, str(weights))
            definition = graph.as_graph_def()
            nodes = {node.name for node in definition.node}
            for name in outputs:
                if name not in nodes:
                    raise missing_layer(name, nodes, ModelFile(meta))
            inputs = [n.name for n in definition.node if n.op == "Placeholder"]
            definition = v1.graph_util.convert_variables_to_constants(
                session, definition, list(outputs)
            )
    except (ValueError, KeyError, OSError, tf.errors.OpError) as error:
        raise UserError(f"{meta}: TensorFlow cannot restore it: {one_line(error, 160)}.") from error
    left = {node.name for node in definition.node}
    return of_graph(meta, definition, source or next((n for n in inputs if n in left), ""), outputs)
