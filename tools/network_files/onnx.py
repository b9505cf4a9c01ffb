"""ONNX files. Field numbers are those of onnx/onnx.proto."""

from __future__ import annotations

from pathlib import Path

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

# TensorProto.DataType
DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
DTYPES |= {11: "float64", 16: "bfloat16"}


def read(path: Path) -> NetworkFacts:
    """Read an .onnx file. Raises UserError."""
    try:
        graph = first(fields(path.read_bytes()), 7)
        weights = messages(graph, 5)
        stored = {text(weight, 8) for weight in weights}
        inputs = [_tensor(info) for info in messages(graph, 11)]
        outputs = [_tensor(info) for info in messages(graph, 12)]
        shapes = {t.name: t.shape for t in [*map(_tensor, messages(graph, 13)), *outputs]}
        operations = tuple(_operation(node, shapes) for node in messages(graph, 1))
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not an ONNX model.") from error
    if not operations or not outputs:
        raise UserError(f"{path}: not an ONNX model.")
    # Older files list their weights among the inputs.
    sources = tuple(t for t in inputs if t.name not in stored)
    return NetworkFacts("ONNX model", sources, tuple(outputs), operations, _constants(weights))


def _tensor(info: Fields) -> Tensor:
    """Read a ValueInfoProto; a dimension with a name and no number is free."""
    tensor = first(first(info, 2), 1)
    shape: Shape | None = None
    if 2 in tensor:
        sides = messages(first(tensor, 2), 1)
        shape = tuple(whole(side, 1) if 1 in side else None for side in sides)
    return Tensor(text(info, 1), shape, DTYPES.get(whole(tensor, 1), "unknown"))


def _operation(node: Fields, shapes: dict[str, Shape | None]) -> GraphOperation:
    """Describe a node; it gets the name of its output, which names the layer."""
    made = (texts(node, 2) or [text(node, 3)])[0]
    return GraphOperation(made, text(node, 4), shapes.get(made), tuple(texts(node, 1)))


def _constants(weights: list[Fields]) -> dict[str, float]:
    means = {}
    for weight in weights:
        # Fields 4 (packed floats) or 9 (raw bytes) of a float tensor.
        raw = b"".join(v for number in (4, 9) for v in weight.get(number, []) if type(v) is bytes)
        if whole(weight, 2) == 1 and 0 < len(raw) <= 4 * MAX_CONSTANT_VALUES:
            means[text(weight, 8)] = float(np.frombuffer(raw, "<f4").mean())
    return means
