"""Rebuild a quantised MobileNet-like .tflite as a Keras model with float weights.

A .tflite cannot be trained further or saved in another format, but a chain of convolutions can be
read out of it number by number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

layers = tf.keras.layers

_CHAIN = {"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D"}
_SIX = (5.9, 6.1)  # a quantised output whose range ends here was cut by a ReLU6


def rebuild(path: Path, side: int = 0) -> tf.keras.Model | None:
    """Build the model (b, side, side, 3) float32 -> (b, features); side 0: the file's own.

    Inputs are the real values of the file's quantised input. Returns None for any network but a
    chain of convolutions.
    """
    from ai_edge_litert.interpreter import Interpreter

    lite = Interpreter(model_path=str(path))
    details = {d["index"]: d for d in lite.get_tensor_details()}
    # The runtime's own helper operation at the end belongs to no file.
    steps = [op for op in lite._get_ops_details() if op["op_name"] != "DELEGATE"]
    here = lite.get_input_details()[0]["index"]
    if not steps or {op["op_name"] for op in steps} - _CHAIN:
        return None
    own = tuple(int(n) for n in details[here]["shape"][1:])
    x = pixels = tf.keras.Input((side, side, own[2]) if side else own)
    weights: list[tuple[tf.keras.layers.Layer, list[np.ndarray]]] = []
    for op in steps:
        source, *constants = (int(i) for i in op["inputs"])
        if source != here:
            return None
        here = int(op["outputs"][0])
        if not constants:
            if tuple(details[here]["shape"][1:3]) != (1, 1):
                return None
            x = layers.GlobalAveragePooling2D()(x)
            continue
        values = [real(lite.get_tensor(i), details[i]) for i in constants]
        stride = round(details[source]["shape"][1] / details[here]["shape"][1])
        layer, values[0] = _convolution(op["op_name"], values[0], stride)
        x = _activated(layer(x), details[here])
        weights.append((layer, values))
    for layer, values in weights:
        layer.set_weights(values)
    return tf.keras.Model(pixels, x) if len(x.shape) == 2 else None


def real(stored: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Dequantise: stored integers to float32; one scale, or one per channel."""
    known = detail["quantization_parameters"]
    scales, zeros = known["scales"], known["zero_points"]
    if not len(scales):
        return stored.astype(np.float32)
    shape = [1] * stored.ndim
    shape[known["quantized_dimension"] if len(scales) > 1 else 0] = -1
    return np.asarray((stored.astype(np.float32) - zeros.reshape(shape)) * scales.reshape(shape))


def _convolution(
    kind: str, kernel: np.ndarray, stride: int
) -> tuple[tf.keras.layers.Layer, np.ndarray]:
    """The layer, and its kernel in Keras' order of axes."""
    size = kernel.shape[1:3]
    if kind == "DEPTHWISE_CONV_2D":
        depthwise = layers.DepthwiseConv2D(size, strides=stride, padding="same")
        return depthwise, kernel.transpose(1, 2, 3, 0)
    plain = layers.Conv2D(len(kernel), size, strides=stride, padding="same")
    return plain, kernel.transpose(1, 2, 3, 0)


def _activated(x: tf.Tensor, detail: dict[str, Any]) -> tf.Tensor:
    """Clip as the range of a quantised tensor does: a range 0..6 is a ReLU6."""
    known = detail["quantization_parameters"]
    if not len(known["scales"]):
        return layers.ReLU(6.0)(x)
    info = np.iinfo(detail["dtype"])
    low, high = ((n - known["zero_points"][0]) * known["scales"][0] for n in (info.min, info.max))
    if low < 0:
        return x
    return layers.ReLU(6.0 if _SIX[0] < high < _SIX[1] else float(high))(x)
