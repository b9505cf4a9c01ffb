"""Tiny models of every kind of file, made once per test run. Needs TensorFlow: slow tests only."""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 8
CLASSES = 4


def weights() -> tuple[np.ndarray, np.ndarray]:
    """(3, 3, 3, 6) convolution and (6, CLASSES) matrix, the same in every model."""
    rng = np.random.default_rng(7)
    return (
        rng.normal(0, 0.5, (3, 3, 3, 6)).astype(np.float32),
        rng.normal(0, 1.5, (6, CLASSES)).astype(np.float32),
    )


@functools.cache
def tensorflow() -> Any:
    """TensorFlow without its greetings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")
    return tf


@functools.cache
def folder() -> Path:
    """Where the models lie until the tests end."""
    temporary = tempfile.TemporaryDirectory(prefix="scai-models-")
    atexit.register(temporary.cleanup)
    return Path(temporary.name)


def classify(tf: Any, x: Any, batch: int) -> Any:
    """The network: convolution, mean, matrix, softmax."""
    kernel, matrix = weights()
    y = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
    y = tf.reduce_mean(y, [1, 2])
    return tf.nn.softmax(tf.reshape(tf.matmul(y, matrix), [batch, CLASSES]))


def save_graph(name: str, build: Any) -> Path:
    """A TF1 GraphDef of what `build(tf)` puts into a graph."""
    tf = tensorflow()
    graph = tf.Graph()
    with graph.as_default():
        build(tf)
    path = folder() / name
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


@functools.cache
def frozen() -> Path:
    """A classifier frozen with batch 1, a constant reshape to [1, n] within."""

    def build(tf: Any) -> None:
        x = tf.compat.v1.placeholder(tf.float32, [1, SIDE, SIDE, 3], "input")
        tf.identity(tf.identity(classify(tf, x, 1), "probabilities"), "final_result")

    return save_graph("frozen.pb", build)


@functools.cache
def loop() -> Path:
    """A classifier whose scores come out of a TF1 while loop."""

    def build(tf: Any) -> None:
        tf.compat.v1.disable_control_flow_v2()
        try:
            x = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], "input")
            level = tf.reduce_mean(x, [1, 2])
            _, total = tf.compat.v1.while_loop(
                lambda i, _: i < 3, lambda i, t: (i + 1, t * 2 + 1), [tf.constant(0), level]
            )
            tf.identity(total, "final_result")
        finally:
            tf.compat.v1.enable_control_flow_v2()

    return save_graph("loop.pb", build)


@functools.cache
def detector() -> Path:
    """A graph with the TF Object Detection API's ends: one box whose score is the red level.

    The box is the top left quarter, class 2; a second row has score 0.1; masks are (15, 15), the
    upper half on.
    """

    def build(tf: Any) -> None:
        x = tf.compat.v1.placeholder(tf.uint8, [1, None, None, 3], "image_tensor")
        red = tf.reduce_mean(tf.cast(x[..., 0], tf.float32), [1, 2]) / 255.0
        one = tf.ones_like(red)
        box = tf.constant([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]], tf.float32)
        mask = np.zeros((2, 15, 15), np.float32)
        mask[:, :7] = 1
        tf.identity(one * 2, "num_detections")
        tf.identity(one[:, None, None] * box, "detection_boxes")
        tf.identity(tf.stack([red, one * 0.1], 1), "detection_scores")
        tf.identity(tf.stack([one * 2, one], 1), "detection_classes")
        tf.identity(one[:, None, None, None] * mask, "detection_masks")

    return save_graph("detector.pb", build)


@functools.cache
def saved_model() -> Path:
    """A classifier as a SavedModel with a free batch."""
    tf = tensorflow()
    module = tf.Module()
    module.f = tf.function(
        lambda x: {"scores": classify(tf, x, -1)},
        input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32, "image")],
    )
    path = folder() / "saved"
    signatures = {"serving_default": module.f.get_concrete_function()}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


@functools.cache
def keras() -> Path:
    """The classifier as a .keras file."""
    tf = tensorflow()
    kernel, matrix = weights()
    layers = tf.keras.layers
    source = layers.Input((SIDE, SIDE, 3), name="image")
    y = layers.Conv2D(6, 3, padding="same", activation="relu", use_bias=False, name="c")(source)
    y = layers.GlobalAveragePooling2D()(y)
    y = layers.Dense(CLASSES, activation="softmax", use_bias=False, name="d")(y)
    model = tf.keras.Model(source, y)
    model.get_layer("c").set_weights([kernel])
    model.get_layer("d").set_weights([matrix])
    path = folder() / "model.keras"
    model.save(str(path))
    return path


def _converter() -> Any:
    tf = tensorflow()
    return tf.lite.TFLiteConverter.from_saved_model(str(saved_model()))


@functools.cache
def tflite() -> Path:
    """The classifier as a float .tflite."""
    path = folder() / "float.tflite"
    path.write_bytes(_converter().convert())
    return path


@functools.cache
def tflite_int8() -> Path:
    """The classifier as a .tflite of int8, inputs and outputs too."""
    tf = tensorflow()
    converter = _converter()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    rng = np.random.default_rng(0)
    converter.representative_dataset = lambda: (
        [rng.random((1, SIDE, SIDE, 3), np.float32)] for _ in range(50)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    path = folder() / "int8.tflite"
    path.write_bytes(converter.convert())
    return path
