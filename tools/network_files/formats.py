"""Read the facts of a model file of any format.

Protocol buffers (.pb, SavedModel, .onnx) and .keras are read as they lie on the disk, without
their libraries; .tflite through LiteRT. One file here for each format.
"""

from __future__ import annotations

from pathlib import Path

from tools.common.errors import UserError
from tools.network_files import graph, keras, lite, onnx
from tools.network_files.facts import NetworkFacts


def read(path: Path, shapes: bool = True) -> NetworkFacts:
    """Read the facts of a model file or SavedModel folder. Raises UserError.

    `shapes`: let TensorFlow infer the shapes within a frozen graph, which takes some seconds.
    """
    if path.name == "saved_model.pb":
        path = path.parent
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    if path.is_dir():
        return graph.saved_model(path)
    readers = {
        ".pb": graph.frozen,
        ".tflite": lite.read,
        ".keras": keras.read,
        ".onnx": onnx.read,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise UserError(
            f"{path}: expected a .pb, .tflite, .keras or .onnx file or a SavedModel folder."
        )
    facts = readers[suffix](path)
    return graph.with_shapes(facts, path) if shapes and suffix == ".pb" else facts
