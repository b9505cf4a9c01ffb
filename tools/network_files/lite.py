"""TensorFlow Lite files, read through LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.network_files.facts import MAX_CONSTANT_VALUES, GraphOperation, NetworkFacts, Tensor

Detail = Mapping[str, Any]


def read(path: Path) -> NetworkFacts:
    """Read a .tflite. Raises UserError."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError(f"{path}: install the package ai-edge-litert to read it.") from None
    try:
        interpreter: Any = Interpreter(str(path), num_threads=1)
        # LiteRT has no public list of operations; its own tools use this one.
        steps = interpreter._get_ops_details()
        details = {int(d["index"]): d for d in interpreter.get_tensor_details()}
        ends = [interpreter.get_input_details(), interpreter.get_output_details()]
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path}: not a .tflite model that LiteRT can read.") from error
    inputs, outputs = (tuple(_tensor(d) for d in end) for end in ends)
    operations = tuple(_operation(step, details) for step in steps)
    constants = _constants(interpreter, steps, details)
    return NetworkFacts("TensorFlow Lite model", inputs, outputs, operations, constants)


def _tensor(detail: Detail) -> Tensor:
    scale, zero = detail["quantization"]
    shape = tuple(None if side < 0 else int(side) for side in detail["shape_signature"])
    name, dtype = str(detail["name"]), str(np.dtype(detail["dtype"]))
    # Outputs whose shape depends on the data are stored with an empty shape.
    return Tensor(name, shape or None, dtype, float(scale), int(zero))


def _operation(step: Detail, details: Mapping[int, Detail]) -> GraphOperation:
    """Describe a step; it gets the name of its output, as steps have no names."""
    takes = tuple(str(details[int(i)]["name"]) for i in step["inputs"] if int(i) in details)
    made = details.get(int(step["outputs"][0])) if len(step["outputs"]) else None
    if made is None:
        return GraphOperation("", str(step["op_name"]), None, takes)
    return GraphOperation(str(made["name"]), str(step["op_name"]), _tensor(made).shape, takes)


def _constants(
    interpreter: Any, steps: Sequence[Detail], details: Mapping[int, Detail]
) -> dict[str, float]:
    made = {int(i) for step in steps for i in step["outputs"]}
    means = {}
    for index in {int(i) for step in steps for i in step["inputs"]} - made:
        if index not in details or np.prod(details[index]["shape"]) > MAX_CONSTANT_VALUES:
            continue
        try:
            value = np.asarray(interpreter.get_tensor(index))
        except ValueError:
            continue  # an input of the model, which has no value yet
        if value.size and value.dtype.kind == "f":
            means[str(details[index]["name"])] = float(value.mean())
    return means
