"""Fold batch norms, scales and shifts into the weights of the layer before them.

TensorFlow's own fold_batch_norms does not suffice: it assumes that a layer has one user, supports
neither FusedBatchNormV2 nor channels-first graphs, ignores is_training, and recognises a batch
norm of single operations in one order only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tools.shrink.sources import Frozen
from tools.shrink.trim import merged, pruned

LINEAR = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_FUSED = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_OLD = "BatchNormWithGlobalNormalization"
_PLAIN = ("Add", "AddV2", "BiasAdd")

Pair = tuple[np.ndarray, np.ndarray]


def fold(model: Frozen) -> Frozen:
    """Return a trimmed network with its scales folded; the same answers but for rounding."""
    definition = type(model.definition)()
    definition.CopyFrom(model.definition)
    graph = _Graph(definition)
    for node in list(definition.node):
        if node.op in LINEAR:
            layer = _layer(node, graph)
            chain = _chain(layer, graph, set(model.outputs)) if layer else None
            if layer and chain and _is_worth_it(chain):
                _rewrite(layer, chain, graph, set(model.outputs))
    return merged(pruned(replace(model, definition=definition)))


class _Graph:
    """The nodes of a graph by name, and the names of each node's users."""

    def __init__(self, definition: Any) -> None:
        self.definition = definition
        self.nodes = {node.name: node for node in definition.node}
        self.users: dict[str, list[str]] = {}
        for node in definition.node:
            for name in node.input:
                self.users.setdefault(name.lstrip("^").split(":")[0], []).append(node.name)

    def constant(self, name: str) -> np.ndarray | None:
        """Return the values of a float32 constant; None for anything else."""
        import tensorflow as tf

        node = self.nodes.get(name.split(":")[0])
        if node is None or node.op != "Const" or node.attr["dtype"].type != 1:
            return None
        values: np.ndarray = tf.make_ndarray(node.attr["value"].tensor)
        return values

    def add_constant(self, name: str, values: np.ndarray) -> str:
        """Add a float32 constant; returns its name, changed if it was in use."""
        import tensorflow as tf

        while name in self.nodes:
            name += "_"
        node = self.definition.node.add(name=name, op="Const")
        node.attr["dtype"].type = 1
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.astype(np.float32)))
        self.nodes[name] = node
        return name


@dataclass(frozen=True)
class _Layer:
    """A node that multiplies by constant weights; `axis`: of the channels, from the end."""

    node: Any
    weights: np.ndarray
    channels: int
    rank: int
    axis: int

    def scaled(self, scale: np.ndarray) -> np.ndarray:
        """Return weights that multiply the output by (c,) `scale`."""
        if self.node.op == "DepthwiseConv2dNative":
            scale = scale.reshape(self.weights.shape[2:])
        elif self.node.op == "MatMul" and self.node.attr["transpose_b"].b:
            scale = scale[:, None]
        weights: np.ndarray = self.weights.astype(np.float64)
        weights *= scale
        return weights


@dataclass(frozen=True)
class _Chain:
    """Operations behind a layer that make `scale` * x + `shift`, (c,) float64 each."""

    steps: list[Any]
    scale: np.ndarray
    shift: np.ndarray


def _layer(node: Any, graph: _Graph) -> _Layer | None:
    weights = graph.constant(node.input[1])
    if weights is None:
        return None
    if node.op == "MatMul":
        count = weights.shape[0 if node.attr["transpose_b"].b else 1]
        return _Layer(node, weights, count, 2, -1)
    depthwise = node.op == "DepthwiseConv2dNative"
    count = weights.shape[2] * weights.shape[3] if depthwise else weights.shape[3]
    first = node.attr["data_format"].s == b"NCHW"
    return _Layer(node, weights, count, 4, -3 if first else -1)


def _chain(layer: _Layer, graph: _Graph, outputs: set[str]) -> _Chain | None:
    """Follow scales and shifts behind a layer, as long as each has one user."""
    scale, shift = np.ones(layer.channels), np.zeros(layer.channels)
    steps: list[Any] = []
    current = layer.node
    while current.name not in outputs:
        users = graph.users.get(current.name, [])
        if len(users) != 1:
            break
        user = graph.nodes[users[0]]
        pair = _step(user, current.name, layer, graph)
        if pair is None:
            break
        scale, shift = scale * pair[0], shift * pair[0] + pair[1]
        steps.append(user)
        current = user
    sound = np.isfinite(scale).all() and np.isfinite(shift).all()
    return _Chain(steps, scale, shift) if steps and sound else None


def _is_worth_it(chain: _Chain) -> bool:
    """Tell whether there is more than a bias, which cannot be folded further."""
    return len(chain.steps) > 1 or chain.steps[0].op not in _PLAIN


def _step(node: Any, before: str, layer: _Layer, graph: _Graph) -> Pair | None:
    """Return the (c,) factor and summand of one operation; None if it does anything else."""
    if any(name.startswith("^") for name in node.input):
        return None
    names = [name.removesuffix(":0") for name in node.input]
    if node.op in _FUSED or node.op == _OLD:
        return _batch_norm(node, names, before, layer, graph)
    if node.op not in ("Mul", "Sub", "RealDiv", *_PLAIN) or len(names) != 2:
        return None
    ours_first = names[0] == before
    constant = graph.constant(names[1] if ours_first else names[0])
    if constant is None:
        return None
    if node.op == "BiasAdd":
        values = constant if constant.shape == (layer.channels,) else None
    else:
        values = _by_channel(constant, layer)
    return None if values is None else _scale_and_shift(node.op, values, ours_first)


def _scale_and_shift(op: str, values: np.ndarray, ours_first: bool) -> Pair | None:
    values = values.astype(np.float64)
    one, zero = np.ones_like(values), np.zeros_like(values)
    if op == "Mul":
        return values, zero
    if op == "RealDiv":
        return (1 / values, zero) if ours_first and values.all() else None
    if op == "Sub":
        return (one, -values) if ours_first else (-one, values)
    return one, values


def _by_channel(constant: np.ndarray, layer: _Layer) -> np.ndarray | None:
    """Return (c,) values of a constant that varies by channel only; None for other constants."""
    if constant.ndim > layer.rank:
        return None
    shape = [1] * (layer.rank - constant.ndim) + list(constant.shape)
    count = shape.pop(layer.axis)
    if set(shape) - {1} or count not in (1, layer.channels):
        return None
    return np.broadcast_to(constant.ravel(), (layer.channels,))


def _batch_norm(
    node: Any, names: list[str], before: str, layer: _Layer, graph: _Graph
) -> Pair | None:
    """Return gamma * (x - mean) / sqrt(variance + epsilon) + beta as factor and summand."""
    constants = [graph.constant(name) for name in names[1:]]
    if names[0] != before or any(c is None or c.shape != (layer.channels,) for c in constants):
        return None
    values = [c.astype(np.float64) for c in constants if c is not None]
    if node.op == _OLD:
        mean, variance, beta, gamma = values
        epsilon = node.attr["variance_epsilon"].f
        if not node.attr["scale_after_normalization"].b:
            gamma = np.ones_like(gamma)
    else:
        gamma, beta, mean, variance = values
        epsilon = node.attr["epsilon"].f
        formats = [(n.attr["data_format"].s or b"NHWC") for n in (node, layer.node)]
        # With is_training, mean and variance are those of the batch, and no constants.
        if node.attr["is_training"].b or formats[0] != formats[1] or layer.rank != 4:
            return None
        if _other_results_used(node.name, graph):
            return None
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _other_results_used(name: str, graph: _Graph) -> bool:
    refs = [ref for user in graph.users.get(name, []) for ref in graph.nodes[user].input]
    return any(ref.split(":")[0] == name and ref not in (name, f"{name}:0") for ref in refs)


def _rewrite(layer: _Layer, chain: _Chain, graph: _Graph, outputs: set[str]) -> None:
    """Put the scale into the weights; the last node of the chain becomes the bias or is removed."""
    node, last = layer.node, chain.steps[-1]
    node.input[1] = graph.add_constant(f"{node.name}/folded", layer.scaled(chain.scale))
    gone = chain.steps[:-1]
    if not chain.shift.any() and last.name not in outputs:
        gone = chain.steps
        users = graph.users.pop(last.name, [])
        for user in {*users}:
            refs = [_renamed(ref, last.name, node.name) for ref in graph.nodes[user].input]
            graph.nodes[user].ClearField("input")
            graph.nodes[user].input.extend(refs)
        graph.users[node.name] = users
    else:
        bias = graph.add_constant(f"{node.name}/shift", chain.shift)
        last.op = "BiasAdd"
        last.ClearField("input")
        last.input.extend([node.name, bias])
        last.ClearField("attr")
        last.attr["T"].type = 1
        last.attr["data_format"].s = b"NCHW" if layer.axis == -3 else b"NHWC"
        graph.users[node.name] = [last.name]
    for step in gone:
        graph.definition.node.remove(step)
        graph.nodes.pop(step.name)


def _renamed(ref: str, old: str, new: str) -> str:
    if ref.lstrip("^").removesuffix(":0") != old:
        return ref
    return f"^{new}" if ref.startswith("^") else new
