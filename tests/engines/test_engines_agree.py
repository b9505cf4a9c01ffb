"""Every engine says what TensorFlow says of the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import tiny_models
from support.engine_makers import FROZEN_LAYERS, open_engine

from scai import plugins
from scai.engines import base
from scai.engines.base import ModelFile
from scai.errors import ConfigError, UnsupportedModel
from scai.models.cards import CLASSIFICATION, ModelCard
from scai.recognition.loading import load_engine

PAIRS = [
    ("openvino", tiny_models.frozen, FROZEN_LAYERS),
    ("openvino", tiny_models.frozen, {}),
    # the original's names, with prefix and port
    (
        "openvino",
        tiny_models.frozen,
        {"inputs": ("import/input",), "outputs": ("probabilities:0",)},
    ),
    ("openvino", tiny_models.saved_model, {}),
    ("openvino", tiny_models.saved_model, {"outputs": ("scores",)}),
    ("openvino", tiny_models.tflite, {}),
    ("tensorflow", tiny_models.frozen, {}),
    (
        "tensorflow",
        tiny_models.frozen,
        {"inputs": ("import/input:0",), "outputs": ("probabilities",)},
    ),
    ("tensorflow", tiny_models.saved_model, {}),
    ("tensorflow", tiny_models.keras, {}),
    ("litert", tiny_models.tflite, {}),
    ("litert", tiny_models.tflite, {"outputs": ("scores",)}),
]


def expected(images: np.ndarray) -> np.ndarray:
    tf = tiny_models.tensorflow()
    return tiny_models.classify(tf, tf.constant(images), -1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make", "layers"), PAIRS)
def test_every_engine_says_what_tensorflow_says(name: str, make: Callable, layers: dict) -> None:
    images = np.random.default_rng(2).random((4, 8, 8, 3), np.float32)
    with open_engine(name, ModelFile(make(), **layers)) as engine:
        (scores,) = engine.infer(images)
    assert np.abs(scores - expected(images)).max() < 1e-3


@pytest.mark.slow
def test_int8_outputs_come_as_real_numbers() -> None:
    images = np.random.default_rng(2).random((4, 8, 8, 3), np.float32)
    with open_engine("litert", ModelFile(tiny_models.tflite_int8())) as engine:
        spec = engine.input
        assert spec.dtype == "int8" and spec.scale > 0
        stored = np.clip(np.rint(images / spec.scale) + spec.zero_point, -128, 127)
        (scores,) = engine.infer(stored.astype(np.int8))
    assert scores.dtype == np.float32
    assert np.abs(scores - expected(images)).max() < 0.05
    with pytest.raises(UnsupportedModel, match="scale"):
        plugins.load("engines", "openvino").Engine(ModelFile(tiny_models.tflite_int8()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "tensorflow"])
def test_a_graph_is_cut_at_an_inner_layer(name: str) -> None:
    """The original's retrained graphs start at a layer behind the decoding of the JPEG."""

    def build(tf) -> None:
        raw = tf.compat.v1.placeholder(tf.string, [], "DecodeJpeg/contents")
        decoded = tf.image.decode_jpeg(raw, 3)
        resized = tf.image.resize(tf.cast(decoded, tf.float32)[None], [8, 8])
        inner = tf.reshape(resized, [1, 8, 8, 3], name="Mul")
        tf.identity(tiny_models.classify(tf, inner, 1), "final_result")

    path = tiny_models.save_graph("inner.pb", build)
    images = np.random.default_rng(2).random((3, 8, 8, 3), np.float32)
    try:
        with open_engine(
            name, ModelFile(path, inputs=("Mul",), outputs=("final_result",))
        ) as engine:
            (scores,) = engine.infer(images)
    except UnsupportedModel:
        assert name == "openvino"  # it may refuse; TensorFlow then takes over
        return
    assert np.abs(scores - expected(images)).max() < 1e-3


@pytest.mark.slow
def test_a_tf1_while_loop_runs() -> None:
    card = ModelCard(
        CLASSIFICATION,
        Path("c"),
        "m",
        graph=tiny_models.loop(),
        input_layer="input",
        output_layer="final_result",
    )
    engine = load_engine(card)
    images = np.random.default_rng(2).random((2, 8, 8, 3), np.float32)
    (result,) = engine.infer(images)
    assert np.allclose(result, images.mean((1, 2)) * 8 + 7, atol=1e-3)
    engine.close()
    with open_engine("tensorflow", ModelFile(tiny_models.loop(), **FROZEN_LAYERS)) as engine:
        assert np.allclose(engine.infer(images)[0], result, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "tensorflow"])
def test_a_detector_of_batch_one_takes_four_photos(name: str) -> None:
    with open_engine(name, ModelFile(tiny_models.detector())) as engine:
        images = np.zeros((4, 30, 50, 3), np.uint8)
        images[:, :, :, 0] = np.array([0, 60, 120, 240]).reshape(4, 1, 1)
        outputs = engine.infer(images)
        scores = outputs[base.output_index(engine.outputs, "detection_scores")]
        assert np.allclose(scores[:, 0] * 255, [0, 60, 120, 240], atol=0.5)
        assert outputs[base.output_index(engine.outputs, "detection_masks")].shape[:2] == (4, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "tensorflow"])
def test_a_missing_layer_names_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match="nearest: .*final_result"):
        plugins.load("engines", name).Engine(
            ModelFile(tiny_models.frozen(), outputs=("final_results",))
        )
