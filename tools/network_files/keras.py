"""Keras 3 archives: config.json in a zip lists the layers; no model is built."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.network_files.facts import GraphOperation, NetworkFacts, Shape, Tensor

# Layers whose output has the shape of their input.
_SAME_SHAPE = ("Activation", "Softmax", "Dropout", "BatchNormalization", "Rescaling")


def read(path: Path) -> NetworkFacts:
    """Read a .keras file; an operation is a layer. Raises UserError."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))["config"]
        layers = config["layers"]
        operations = tuple(_layer(layer) for layer in layers)
        ends = _names(config.get("output_layers")) or [layers[-1]["config"]["name"]]
        shapes = {op.name: op.shape for op in operations}
        outputs = tuple(Tensor(name, shapes[name], "float32") for name in ends)
    except (OSError, zipfile.BadZipFile, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a .keras model of Keras 3.") from error
    sources = [layer["config"] for layer in layers if layer["class_name"] == "InputLayer"]
    inputs = tuple(
        Tensor(s["name"], _sides(s.get("batch_shape")), _dtype(s.get("dtype"))) for s in sources
    )
    constants = {
        f"{layer['config']['name']}/{key}": float(np.mean(layer["config"][key]))
        for layer in layers
        if layer["class_name"] == "Rescaling"
        for key in ("scale", "offset")
    }
    return NetworkFacts("Keras model", inputs, outputs, operations, constants)


def _layer(layer: Mapping[str, Any]) -> GraphOperation:
    config, kind = layer["config"], str(layer["class_name"])
    activation = config.get("activation")
    name = f"{kind} ({activation})" if isinstance(activation, str) else kind
    shape = input_shape = _sides((layer.get("build_config") or {}).get("input_shape"))
    if kind == "InputLayer":
        shape = _sides(config.get("batch_shape"))
    elif kind == "Dense" and input_shape:
        shape = (*input_shape[:-1], config["units"])
    elif kind not in _SAME_SHAPE:
        shape = None  # only Keras can compute it
    return GraphOperation(config["name"], name, shape, tuple(_parents(layer.get("inbound_nodes"))))


def _parents(nodes: Any) -> list[str]:
    """List the input layers of a layer: `keras_history` holds (layer, node, tensor)."""
    if isinstance(nodes, dict):
        own = [nodes["keras_history"][0]] if "keras_history" in nodes else []
        return own + [name for value in nodes.values() for name in _parents(value)]
    return [name for node in nodes for name in _parents(node)] if isinstance(nodes, list) else []


def _names(ends: Any) -> list[str]:
    """List the names of the output layers: `[name, 0, 0]`, or a list or dict of such."""
    if isinstance(ends, dict):
        return [name for end in ends.values() for name in _names(end)]
    if isinstance(ends, list) and ends and isinstance(ends[0], str):
        return [ends[0]]
    return [name for end in ends or [] for name in _names(end)]


def _sides(shape: Any) -> Shape | None:
    return tuple(shape) if isinstance(shape, list) else None


def _dtype(dtype: Any) -> str:
    return dtype if isinstance(dtype, str) else "float32"
