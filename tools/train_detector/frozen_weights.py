"""Read the weights of a frozen graph that this project exported, in the order of Keras."""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

_WEIGHT = re.compile(r"(?P<layer>.*/)?(?P<kind>conv2d|batch_normalization|norm)(?P<number>[_\d]*)/")
# How Keras names the reads of the four weights of a batch normalisation, in its order of weights.
_NORM = {"gamma": "Cast_2", "beta": "Cast_3", "mean": "Cast", "variance": "Cast_1"}


def read(path: Path) -> list[np.ndarray]:
    """Float32 arrays in the order of `Model.get_weights` of the detector that was exported.

    Raises OSError, and ValueError where the file is another graph.
    """
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path}: no frozen graph") from error
    convolutions: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
    norms: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
    for node in graph.node:
        match = _WEIGHT.match(node.name) if "ReadVariableOp/resource" in node.name else None
        if node.op != "Const" or match is None:
            continue
        number = tuple(int(n) for n in match["number"].split("_") if n)
        group = convolutions if match["kind"] == "conv2d" else norms
        part = node.name[match.end() :].split("/")[0]
        values = tf.make_ndarray(node.attr["value"].tensor).astype(np.float32)
        group.setdefault(number, {})[part] = values
    if not convolutions or len(norms) != len(convolutions) - 1:
        raise ValueError(f"{path}: another network")
    weights: list[np.ndarray] = []
    rest = [norms[number] for number in sorted(norms)]
    for number in sorted(convolutions):
        layer = convolutions[number]
        weights.append(layer["convolution"])
        if rest:
            norm = rest.pop(0)
            weights += [norm[part] for part in _NORM.values()]
        else:
            weights.append(layer["Reshape"])
    return weights
