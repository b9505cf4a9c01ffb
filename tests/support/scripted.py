"""An engine that says what the test says, and small things around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from scai.engines.base import EngineBase, TensorSpec
from scai.models.cards import ModelCard

Answer = Callable[[np.ndarray], list[np.ndarray]]


class Scripted(EngineBase):
    """An engine that says what the test says, and remembers the batches it saw."""

    name = "scripted"

    def __init__(self, spec: TensorSpec, outputs: Sequence[str], answer: Answer) -> None:
        self.input = spec
        self.outputs = tuple(TensorSpec(name, (None,), "float32") for name in outputs)
        self.answer = answer
        self.seen: list[np.ndarray] = []

    def infer(self, batch: np.ndarray) -> list[np.ndarray]:
        self.seen.append(batch)
        return self.answer(batch)


def spec(side: int | None = 4, dtype: str = "float32", **quantised: float) -> TensorSpec:
    return TensorSpec("input", (None, side, side, 3), dtype, **quantised)


def card(kind: str, **values: object) -> ModelCard:
    return ModelCard(kind, Path("m.config"), "m", **values)


def grey(level: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)
