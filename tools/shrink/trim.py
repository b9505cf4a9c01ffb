"""Remove from a frozen graph all that its outputs do not need, and all that is for training."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from tools.common.errors import UserError
from tools.shrink.sources import Frozen

# Operations that pass on their first input unchanged outside of training.
_IDLE = ("CheckNumerics", "PlaceholderWithDefault", "PreventGradient", "Snapshot", "StopGradient")
_CONTROL_FLOW = ("Enter", "Exit", "Merge", "NextIteration", "Switch", "LoopCond")
_TRAINING_SWITCHES = ("is_training", "learning_phase", "phase_train")
# From random numbers to the mask of a Dropout.
_ARITHMETIC = ("Add", "AddV2", "Cast", "Identity", "Mul", "RealDiv", "Sub")
_MASKING = (*_ARITHMETIC, "Floor", "Greater", "GreaterEqual")
MAX_STEPS = 8


def trim(model: Frozen) -> Frozen:
    """Reduce a network to fewer operations with the same answers; constants are folded.

    Dropout is removed too: with an active one, answers are random, and without it their mean.
    Raises UserError for a network with more than one input.
    """
    definition = _cut(model).definition
    keep = {model.input, *model.outputs}
    _idle(definition, keep)
    definition = _without_identities(definition, keep)
    _drop(definition)
    definition = _folded_constants(_without_identities(definition, keep), model.outputs)
    smaller = pruned(replace(model, definition=definition))
    others = [n.name for n in smaller.definition.node if n.op == "Placeholder"]
    if set(others) - {model.input}:
        names = ", ".join(sorted(set(others) - {model.input}))
        raise UserError(f"expected a network of one input, {model.input}; this one takes {names}.")
    return smaller


def pruned(model: Frozen) -> Frozen:
    """Return the network without operations that no output needs."""
    import tensorflow as tf

    extract = tf.compat.v1.graph_util.extract_sub_graph
    return replace(model, definition=extract(model.definition, list(model.outputs)))


def merged(model: Frozen) -> Frozen:
    """Return the network with equal constants stored once."""
    definition = _copy(model.definition)
    first: dict[bytes, str] = {}
    other: dict[str, str] = {}
    for node in definition.node:
        if node.op == "Const" and not node.input and node.name not in model.outputs:
            # The values themselves and no digest of them: only equal constants may be merged.
            name = first.setdefault(node.attr["value"].tensor.SerializeToString(), node.name)
            if name != node.name:
                other[node.name] = name
    for node in definition.node:
        for place, name in enumerate(node.input):
            node.input[place] = other.get(name.removesuffix(":0"), name)
    return pruned(replace(model, definition=definition))


def _copy(definition: Any) -> Any:
    copied = type(definition)()
    copied.CopyFrom(definition)
    return copied


def _cut(model: Frozen) -> Frozen:
    """Keep only what the outputs need; an input within the graph becomes a placeholder."""
    import tensorflow as tf

    definition = _copy(model.definition)
    for node in definition.node:
        node.device = ""  # a graph trained on a GPU should run anywhere
        for attribute in ("_class", "_output_shapes"):
            node.attr.pop(attribute, None)
        if node.name == model.input and node.op != "Placeholder":
            node.op = "Placeholder"
            node.ClearField("input")
            node.ClearField("attr")
            node.attr["dtype"].type = tf.as_dtype(model.dtype).as_datatype_enum
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(model.shape or None).as_proto())
    return pruned(replace(model, definition=definition))


def _idle(definition: Any, keep: set[str]) -> None:
    """Replace operations for training by Identity and constants, in place."""
    import tensorflow as tf

    loops = any(node.op in _CONTROL_FLOW for node in definition.node)
    for node in definition.node:
        if not loops:  # within loops, control inputs say which frame a constant belongs to
            data = [name for name in node.input if not name.startswith("^")]
            node.ClearField("input")
            node.input.extend(data)
        if node.op in _IDLE and node.name not in keep:
            _become_identity(node, node.input[0])
        elif _is_training_switch(node) and node.name not in keep:
            node.op = "Const"
            node.ClearField("attr")
            node.attr["dtype"].type = tf.bool.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(False))
        elif node.op == "Cast" and node.name not in keep:
            _unpacked(node, {n.name: n for n in definition.node})


def _become_identity(node: Any, passed: str) -> None:
    kind = node.attr["dtype" if node.op == "PlaceholderWithDefault" else "T"].type
    node.op = "Identity"
    node.ClearField("input")
    node.input.append(passed)
    node.ClearField("attr")
    node.attr["T"].type = kind


def _is_training_switch(node: Any) -> bool:
    import tensorflow as tf

    is_bool = node.op == "Placeholder" and node.attr["dtype"].type == tf.bool.as_datatype_enum
    return is_bool and any(word in node.name for word in _TRAINING_SWITCHES)


def _unpacked(node: Any, nodes: dict[str, Any]) -> None:
    """Replace a Cast of a constant by a constant; Grappler leaves large ones as they are."""
    import tensorflow as tf

    source = nodes.get(node.input[0].split(":")[0])
    if source is None or source.op != "Const":
        return
    kind = tf.as_dtype(node.attr["DstT"].type)
    values = tf.make_ndarray(source.attr["value"].tensor).astype(kind.as_numpy_dtype)
    node.op = "Const"
    node.ClearField("input")
    node.ClearField("attr")
    node.attr["dtype"].type = kind.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values, kind))


def _without_identities(definition: Any, keep: set[str]) -> Any:
    import tensorflow as tf

    # The library's function loses versions and functions.
    smaller = tf.compat.v1.graph_util.remove_training_nodes(definition, sorted(keep))
    smaller.versions.CopyFrom(definition.versions)
    smaller.library.CopyFrom(definition.library)
    return smaller


def _folded_constants(definition: Any, outputs: tuple[str, ...]) -> Any:
    """Let Grappler fold constants, with only those optimizers that write plain operations."""
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.grappler import tf_optimizer

    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    meta = tf.compat.v1.train.export_meta_graph(graph_def=definition, graph=graph)
    meta.collection_def["train_op"].node_list.value.extend(outputs)  # nodes that it must keep
    config = config_pb2.ConfigProto()
    rewrites = config.graph_options.rewrite_options
    rewrites.optimizers.extend(["constfold", "loop", "dependency"])
    rewrites.min_graph_nodes = -1  # small graphs too
    return tf_optimizer.OptimizeGraph(config, meta, verbose=False)


def _drop(definition: Any) -> None:
    """Remove each Dropout, in place."""
    nodes = {node.name: node for node in definition.node}
    for name, passed in [(node.name, _dropped(node, nodes)) for node in definition.node]:
        if passed:
            _become_identity(nodes[name], passed)


def _dropped(node: Any, nodes: dict[str, Any]) -> str:
    """Return the input of a Dropout that ends in this node; "" if none does.

    x / keep * mask or x * scale * mask; later versions select between x * scale and 0.
    """
    names = list(node.input)
    if node.op == "Mul" and len(names) == 2:
        pairs = [(names[0], names[1]), (names[1], names[0])]
    elif node.op in ("Select", "SelectV2") and len(names) == 3:
        pairs = [(names[1], names[0])]
    else:
        return ""
    for value, mask in pairs:
        scaled = _node(value, nodes)
        if scaled.op in ("Mul", "RealDiv") and _is_mask(mask, nodes):
            if _is_fixed(scaled.input[1], nodes):
                return str(scaled.input[0])
    return ""


def _node(name: str, nodes: dict[str, Any]) -> Any:
    return nodes[name.lstrip("^").split(":")[0]]


def _is_mask(name: str, nodes: dict[str, Any]) -> bool:
    """Tell whether this is computed from random numbers and constants alone."""
    for _ in range(MAX_STEPS):
        node = _node(name, nodes)
        if node.op == "RandomUniform":
            return True
        inner = [name_in for name_in in node.input if not _is_fixed(name_in, nodes)]
        if node.op not in _MASKING or len(inner) != 1:
            return False
        name = inner[0]
    return False


def _is_fixed(name: str, nodes: dict[str, Any], steps: int = MAX_STEPS) -> bool:
    """Tell whether a value is computed from constants alone."""
    node = _node(name, nodes)
    if node.op == "Const":
        return True
    fixed = node.op in _ARITHMETIC and steps > 0
    return fixed and all(_is_fixed(name_in, nodes, steps - 1) for name_in in node.input)


def counts(definition: Any) -> Counter[str]:
    """Count the operations of each type."""
    return Counter(node.op for node in definition.node)
