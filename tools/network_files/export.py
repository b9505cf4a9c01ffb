"""Export a TensorFlow function to the files that ship: TF1 frozen graphs and .tflite."""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

_SMALL = 256  # values: constants of up to this many stay float32


def frozen_graph(
    function: Callable[[tf.Tensor], tf.Tensor | Sequence[tf.Tensor]],
    shape: Sequence[int | None],
    dtype: tf.DType,
    input_name: str,
    output_names: Sequence[str],
    half: bool = False,
) -> bytes:
    """Export `function` of one tensor as a serialized TF1 GraphDef with these node names.

    `half` stores weights as float16, half the size; arithmetic stays float32.
    """

    def named(x: tf.Tensor) -> list[tf.Tensor]:
        results = function(x)
        if tf.is_tensor(results):
            results = [results]
        return [tf.identity(r, name=n) for r, n in zip(results, output_names, strict=True)]

    concrete = tf.function(named).get_concrete_function(
        tf.TensorSpec(shape, dtype, name=input_name)
    )
    graph = convert_variables_to_constants_v2(concrete).graph.as_graph_def()
    # The function's own return values follow ours as Identity nodes, which nobody needs.
    graph = tf.compat.v1.graph_util.extract_sub_graph(graph, list(output_names))
    graph.ClearField("library")
    content: bytes = (halved(graph) if half else graph).SerializeToString()
    return content


def halved(graph: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """Store large float32 constants as float16 with a cast behind, under the same name."""
    smaller = tf.compat.v1.GraphDef()
    smaller.versions.CopyFrom(graph.versions)
    for node in graph.node:
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            smaller.node.append(node)
            continue
        values = tf.make_ndarray(node.attr["value"].tensor)
        if values.size <= _SMALL:
            smaller.node.append(node)
            continue
        stored = smaller.node.add(name=f"{node.name}/half", op="Const")
        stored.attr["dtype"].type = tf.float16.as_datatype_enum
        stored.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values, tf.float16))
        cast = smaller.node.add(name=node.name, op="Cast", input=[stored.name])
        cast.attr["SrcT"].type = tf.float16.as_datatype_enum
        cast.attr["DstT"].type = tf.float32.as_datatype_enum
    return smaller


def tflite(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor] | dict[str, tf.Tensor]],
    shape: Sequence[int | None],
    dtype: tf.DType,
    half: bool = False,
) -> bytes:
    """Export `function` of one tensor as a .tflite of builtin operations; `half`: as there."""
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape, dtype, "input"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content: bytes = converter.convert()
    return content
