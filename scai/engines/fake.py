"""No model at all: results that anybody can predict from the pixels, for tests and trials.

Classification among n classes: an image with the mean grey level g (0..255) gets 0.9 for class
g * n // 256, and the other classes share the rest. Detection: all pixels that differ from the top
left one by more than 32 in any channel are one object, with its tight box, score 0.9, and the
class of their mean level; an image of one colour has no object.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scai.engines.base import EngineBase, ModelFile, TensorSpec, check_batch

SUFFIXES: tuple[str, ...] = ()
SCORE = 0.9
DEFAULT_CLASSES = 5
SIDE_PIXELS = 32
CONTRAST = 32
_DETECTION = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")


def available() -> bool:
    """Always true: it needs numpy alone."""
    return True


class Engine(EngineBase):
    """Detects when the outputs have the names of the TF Object Detection API, else classifies."""

    name = "fake"

    def __init__(self, model: ModelFile) -> None:
        self._classes = model.classes or DEFAULT_CLASSES
        self._detects = "detection_boxes" in model.outputs
        if self._detects:
            shapes: tuple[tuple[int | None, ...], ...] = (
                (None,),
                (None, 1, 4),
                (None, 1),
                (None, 1),
            )
            self.input = TensorSpec("image_tensor", (None, None, None, 3), "uint8")
            self.outputs = tuple(
                TensorSpec(name, shape, "float32")
                for name, shape in zip(_DETECTION, shapes, strict=True)
            )
        else:
            self.input = TensorSpec("input", (None, SIDE_PIXELS, SIDE_PIXELS, 3), "uint8")
            self.outputs = (TensorSpec("scores", (None, self._classes), "float32"),)

    def infer(self, batch: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """The results described at the top of this file."""
        check_batch(self.name, batch, self.input)
        if self._detects:
            parts = [self._detect(image.astype(np.int16)) for image in batch]
            return [np.stack(arrays).astype(np.float32) for arrays in zip(*parts, strict=True)]
        return [np.stack([self._classify(image) for image in batch])]

    def describe(self) -> str:
        """One line for the log."""
        return f"fake, {self._classes} classes, no model"

    def _class(self, level: float) -> int:
        return min(int(level * self._classes / 256), self._classes - 1)

    def _classify(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        if self._classes == 1:
            return np.ones(1, np.float32)
        scores = np.full(self._classes, (1 - SCORE) / (self._classes - 1), np.float32)
        scores[self._class(float(np.mean(image.astype(np.float32))))] = SCORE
        return scores

    def _detect(self, image: NDArray[np.int16]) -> tuple[NDArray[np.generic], ...]:
        """Count, boxes (1, 4) ymin, xmin, ymax, xmax in 0..1, scores (1,), classes (1,) from 1."""
        differs = np.any(np.abs(image - image[0, 0]) > CONTRAST, axis=2)
        rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
        if not len(rows):
            return np.array(0.0), np.zeros((1, 4)), np.zeros(1), np.ones(1)
        height, width = differs.shape
        box = [
            rows[0] / height,
            columns[0] / width,
            (rows[-1] + 1) / height,
            (columns[-1] + 1) / width,
        ]
        number = self._class(float(image[differs].mean())) + 1
        return np.array(1.0), np.array([box]), np.array([SCORE]), np.array([float(number)])
