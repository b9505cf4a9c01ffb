"""For each engine a small model that it reads, and a way to open it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from scai import plugins
from scai.engines.base import EngineBase, ModelFile, Plan, TensorSpec
from scai.errors import UnsupportedModel
from support import tiny_models

ROOT = Path(__file__).parents[2]
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
def open_engine(name: str, model: ModelFile) -> Iterator[EngineBase]:
    engine = plugins.load("engines", name).Engine(model)
    try:
        yield engine
    finally:
        engine.close()


class Acted(EngineBase):
    """An engine without a library whose plans behave in their own ways; see `BEHAVIOUR`."""

    name = "fake"

    def __init__(self, model: ModelFile) -> None:
        self.plan = model.plan
        self._acts = BEHAVIOUR[model.plan.lanes]
        self.input = TensorSpec("input", (None, 8, 8, 3), "float32")
        self.outputs = (TensorSpec("scores", (None, 3), "float32"),)
        if self._acts == "refuses":
            raise UnsupportedModel("it has a bad day")
        if self._acts == "ends the process":
            os._exit(3)

    def infer(self, batch: np.ndarray) -> list[np.ndarray]:
        if self._acts == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02 if self._acts == "is slow" else 0)
        wrong = 0.01 if self._acts == "lies in batches" and len(batch) > 1 else 0
        return [batch.mean((1, 2)) + wrong]


BEHAVIOUR = ["is slow", "refuses", "ends the process", "lies in batches", "is killed", "is right"]
PLANS = [Plan(lanes) for lanes in range(1, len(BEHAVIOUR))]


def act() -> None:
    """Let the engine `fake` of this process be `Acted`."""
    fake = plugins.load("engines", "fake")
    fake.Engine = Acted  # type: ignore[attr-defined]
    fake.plans = lambda model: PLANS  # type: ignore[attr-defined]


def acted(change: str = "", effort: str = "") -> list[str]:
    """The command of a trial process in which the engine `fake` is `Acted`."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        f"from support import engine_makers\nfrom scai.recognition import speed_trial_process\n"
        f"engine_makers.act()\n{change}\nspeed_trial_process.main({effort})"
    )
    return [sys.executable, "-c", code]
