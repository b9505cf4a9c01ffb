"""TensorFlow's own files: frozen graphs and SavedModels.

Field numbers are those of tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto and
tensorflow/core/protobuf/{saved_model,meta_graph}.proto.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.network_files.facts import (
    MAX_CONSTANT_VALUES,
    GraphOperation,
    NetworkFacts,
    Shape,
    Tensor,
)
from tools.network_files.protobuf_wire import Fields, fields, first, messages, text, texts, whole

# DataType of tensorflow/core/framework/types.proto
DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 6: "int8", 7: "string", 9: "int64"}
DTYPES |= {10: "bool", 14: "bfloat16", 19: "float16"}
_SOURCES = ("Placeholder", "Const", "NoOp", "Assert", "Variable", "VariableV2", "VarHandleOp")
_NOTHING: Fields = {}


def frozen(path: Path) -> NetworkFacts:
    """Read a frozen graph; shapes only where the file states them. Raises UserError."""
    try:
        graph = fields(path.read_bytes())
        nodes = messages(graph, 1)
        operations = tuple(_operation(node) for node in nodes)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a frozen TensorFlow graph.") from error
    if not operations or not all(op.name and op.type for op in operations):
        raise UserError(f"{path}: not a frozen TensorFlow graph.")
    types = {op.name: _dtype(node) for op, node in zip(operations, nodes, strict=True)}
    inputs = [op for op in operations if op.type == "Placeholder"]
    return NetworkFacts(
        "frozen TensorFlow graph",
        tuple(Tensor(op.name, op.shape, types[op.name]) for op in inputs),
        tuple(Tensor(op.name, op.shape, types[op.name]) for op in _loose_ends(operations)),
        operations,
        _constants(nodes),
    )


def saved_model(folder: Path) -> NetworkFacts:
    """Read a SavedModel folder by its serving signature. Raises UserError."""
    path = folder / "saved_model.pb"
    if not path.is_file():
        raise UserError(f"{folder}: expected a SavedModel folder, got one without saved_model.pb.")
    try:
        graphs = messages(fields(path.read_bytes()), 2)
        meta = graphs[0] if graphs else {}
        signatures = {text(entry, 1): first(entry, 2) for entry in messages(meta, 5)}
        signature = signatures.get("serving_default") or next(iter(signatures.values()), _NOTHING)
        inputs, outputs = (
            tuple(_argument(entry) for entry in messages(signature, number)) for number in (1, 2)
        )
        nodes = _all_nodes(first(meta, 2))
        operations = tuple(_operation(node) for node in nodes)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a SavedModel.") from error
    if not operations:
        raise UserError(f"{path}: not a SavedModel.")
    return NetworkFacts("SavedModel", inputs, outputs, operations, _constants(nodes))


def with_shapes(facts: NetworkFacts, path: Path) -> NetworkFacts:
    """Add the shapes that TensorFlow infers, where it can."""
    if all(op.shape is not None for op in facts.operations):
        return facts
    shapes = _inferred(path)

    def with_shape(part: Any) -> Any:
        return replace(part, shape=part.shape or shapes.get(part.name))

    return replace(
        facts,
        inputs=tuple(map(with_shape, facts.inputs)),
        outputs=tuple(map(with_shape, facts.outputs)),
        operations=tuple(map(with_shape, facts.operations)),
    )


def _inferred(path: Path) -> dict[str, Shape | None]:
    """Infer operation -> shape of its first output; empty where TensorFlow is absent or fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _silence():
            import tensorflow as tf
    except ImportError:
        return {}
    graph = tf.Graph()
    try:
        definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        with graph.as_default():
            tf.import_graph_def(definition, name="")
    except Exception:
        # Graphs of other versions or with unknown operations raise errors of many classes; their
        # operations can still be listed.
        return {}
    return {
        op.name: tuple(op.outputs[0].shape.as_list())
        for op in graph.get_operations()
        if op.outputs and op.outputs[0].shape.rank is not None
    }


@contextmanager
def _silence() -> Iterator[None]:
    """Silence TensorFlow's messages, which it writes to the file descriptor itself."""
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _loose_ends(operations: Sequence[GraphOperation]) -> list[GraphOperation]:
    """List the operations without users, in the file's order."""
    used = {name for op in operations for name in op.inputs}
    return [op for op in operations if op.name not in used and op.type not in _SOURCES]


def _all_nodes(graph: Fields) -> list[Fields]:
    """List the nodes of a graph and of the functions it calls."""
    functions = [fn for library in messages(graph, 2) for fn in messages(library, 1)]
    return messages(graph, 1) + [node for fn in functions for node in messages(fn, 3)]


def _operation(node: Fields) -> GraphOperation:
    takes = tuple(name.removeprefix("^").split(":")[0] for name in texts(node, 3))
    return GraphOperation(text(node, 1), text(node, 2), _stated_shape(_attributes(node)), takes)


def _attributes(node: Fields) -> dict[str, Fields]:
    return {text(entry, 1): first(entry, 2) for entry in messages(node, 5)}


def _stated_shape(attributes: dict[str, Fields]) -> Shape | None:
    if "shape" in attributes:
        return _shape(first(attributes["shape"], 7))
    if "value" in attributes:
        return _shape(first(first(attributes["value"], 8), 2))
    if "_output_shapes" in attributes:
        listed = messages(first(attributes["_output_shapes"], 1), 7)
        return _shape(listed[0]) if listed else None
    return None


def _shape(message: Fields) -> Shape | None:
    """Read a TensorShapeProto: dimensions of -1 are free; an unknown rank is None."""
    if whole(message, 3):
        return None
    sides = [whole(side, 1) for side in messages(message, 2)]
    return tuple(None if side < 0 else side for side in sides)


def _dtype(node: Fields) -> str:
    attributes = _attributes(node)
    for key in ("dtype", "DstT", "T", "type"):
        if key in attributes:
            return DTYPES.get(whole(attributes[key], 6), "unknown")
    return "unknown"


def _argument(entry: Fields) -> Tensor:
    """Read one argument of a signature: name -> TensorInfo."""
    info = first(entry, 2)
    dtype = DTYPES.get(whole(info, 2), "unknown")
    return Tensor(text(entry, 1), _shape(first(info, 3)), dtype)


def _constants(nodes: Sequence[Fields]) -> dict[str, float]:
    means = {}
    for node in nodes:
        if text(node, 2) != "Const":
            continue
        tensor = first(_attributes(node).get("value", _NOTHING), 8)
        shape = _shape(first(tensor, 2)) or ()
        if int(np.prod([side or 1 for side in shape])) > MAX_CONSTANT_VALUES:
            continue
        # Only float constants scale pixels: packed bytes in 4, or a repeated float in 5.
        raw = b"".join(v for number in (4, 5) for v in tensor.get(number, []) if type(v) is bytes)
        if whole(tensor, 1) == 1 and raw and len(raw) % 4 == 0:
            means[text(node, 1)] = float(np.frombuffer(raw, "<f4").mean())
    return means
