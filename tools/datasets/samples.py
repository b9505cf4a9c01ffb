"""Labelled pictures as values: a sample, its boxes, a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scai.models.cards import CLASSIFICATION
from tools.common.errors import UserError

# Parts that models are not trained on, in the order of preference.
PARTS = ("test", "val", "valid", "validation", "val2017", "test2017")
TRAINING = ("train", "training", "trainval", "train2017")
EVERYTHING = "all"


@dataclass(frozen=True)
class Boxes:
    """The objects of a picture: (n, 4) float x1, y1, x2, y2 in its pixels, and n class names.

    `ignored`: (n,) bool, true for objects that need not be found (VOC's difficult, COCO's crowds);
    `crowd`: (n,) bool, true for COCO's crowds, which hold many objects in one box.
    """

    boxes: np.ndarray
    names: tuple[str, ...]
    ignored: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class Sample:
    """One picture: its name, and the name of its class or its boxes."""

    name: str
    truth: str | Boxes


@dataclass(frozen=True)
class DataSet:
    """Labelled pictures of one kind of recognition; `read(name)` returns a picture's bytes."""

    kind: str
    part: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    read: Callable[[str], bytes] = field(repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    def limited(self, limit: int) -> DataSet:
        """Return at most `limit` of the pictures, spread evenly."""
        if limit >= len(self):
            return self
        places = np.linspace(0, len(self) - 1, limit).astype(int)
        samples = tuple(self.samples[place] for place in places)
        return DataSet(self.kind, self.part, self.classes, samples, self.read)

    def without(self, classes_to_drop: set[str]) -> DataSet:
        """Return the data without some classes: without their pictures, or without their boxes.

        Raises UserError where nothing is left.
        """
        classes = tuple(name for name in self.classes if name not in classes_to_drop)
        samples = self.samples
        if self.kind == CLASSIFICATION:
            samples = tuple(sample for sample in samples if sample.truth not in classes_to_drop)
        if not classes or not samples:
            raise UserError("the data and the model have no class in common.")
        # Boxes of removed classes are not scored, so they may stay.
        return DataSet(self.kind, self.part, classes, samples, self.read)


def choose_part(parts: set[str], name: str, path: Path) -> str:
    """Choose the part to read, "" for all data. Raises UserError when `name` is missing."""
    named = parts & {*PARTS, *TRAINING}
    if name == EVERYTHING:
        return ""
    if name:
        if name.lower() not in parts:
            others = ", ".join(sorted(parts)) or "none"
            raise UserError(f"{path}: expected a part called {name}, got {others}.")
        return name.lower()
    return next((part for part in PARTS if part in named), "")
