"""For each engine a small model that it reads, and a way to open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from scai import plugins
from scai.engines.base import EngineBase, ModelFile

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "usr" / "models" / "digits"
LIBRARIES = ("tensorflow", "openvino", "ai_edge_litert", "cv2", "keras")
FROZEN_LAYERS = {"inputs": ("input",), "outputs": ("final_result",)}


def openvino_model() -> Path:
    """A classifier of (batch 1, 8, 8, 3), made with OpenVINO alone."""
    ov = plugins.load("engines", "openvino").library()
    ops = ov.opset8
    x = ops.parameter([1, 8, 8, 3], np.float32, name="input")
    y = ops.reduce_mean(x, ops.constant(np.array([1, 2])), False)
    y = ops.matmul(y, ops.constant(tiny_models.weights()[1][:3]), False, False)
    y = ops.softmax(ops.reshape(y, ops.constant(np.array([1, 4])), False), 1)
    y.output(0).set_names({"final_result"})
    x.output(0).set_names({"input"})
    path = tiny_models.folder() / "tiny.xml"
    ov.serialize(ov.Model([y], [x]), str(path))
    return path


# For each engine a model that it reads; an engine added later is tested once it stands here.
MAKERS: dict[str, Callable[[], ModelFile]] = {
    "fake": lambda: ModelFile(Path("."), classes=4),
    "litert": lambda: ModelFile(DIGITS / "digits.tflite"),
    "openvino": lambda: ModelFile(openvino_model()),
    "tensorflow": lambda: ModelFile(tiny_models.frozen(), **FROZEN_LAYERS),
}
SLOW = {"tensorflow"}


def engine_params() -> list:
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in plugins.names("engines")
    ]


@contextmanager
def opened(name: str, model: ModelFile) -> Iterator[EngineBase]:
    engine = plugins.load("engines", name).Engine(model)
    try:
        yield engine
    finally:
        engine.close()
