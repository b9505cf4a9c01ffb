"""Labelled pictures as values: a sample, its boxes, a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scai.models.cards import CLASSIFICATION
from tools.common.errors import UserError

# Of several parts, the one that models have not seen.
PARTS = ("test", "val", "valid", "validation", "val2017", "test2017")
TRAINING = ("train", "training", "trainval", "train2017")
EVERYTHING = "all"


@dataclass(frozen=True)
class Boxes:
    """What a picture holds: (n, 4) float x1, y1, x2, y2 in its pixels, and n class names.

    `ignored`: (n,) bool, true for what need not be found (VOC's difficult, COCO's crowds);
    `crowd`: (n,) bool, true for COCO's crowds, which hold many objects in one box.
    """

    boxes: np.ndarray
    names: tuple[str, ...]
    ignored: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class Sample:
    """One picture: its name, and its class's name or its boxes."""

    name: str
    truth: str | Boxes


@dataclass(frozen=True)
class DataSet:
    """Pictures of one kind with the truth; `read(name)` gives a picture's bytes."""

    kind: str
    part: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    read: Callable[[str], bytes] = field(repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    def limited(self, limit: int) -> DataSet:
        """At most `limit` pictures, spread evenly over all."""
        if limit >= len(self):
            return self
        places = np.linspace(0, len(self) - 1, limit).astype(int)
        chosen = tuple(self.samples[place] for place in places)
        return DataSet(self.kind, self.part, self.classes, chosen, self.read)

    def without(self, gone: set[str]) -> DataSet:
        """The same without some classes: without their pictures, or without their boxes."""
        classes = tuple(name for name in self.classes if name not in gone)
        samples = self.samples
        if self.kind == CLASSIFICATION:
            samples = tuple(sample for sample in samples if sample.truth not in gone)
        if not classes or not samples:
            raise UserError("the data and the model have no class in common.")
        # Boxes of classes that are gone count nowhere, so they may stay.
        return DataSet(self.kind, self.part, classes, samples, self.read)


def choose_part(parts: set[str], wanted: str, path: Path) -> str:
    """The part to take, "" for all there is. Raises UserError when the wanted one is missing."""
    known = parts & {*PARTS, *TRAINING}
    if wanted == EVERYTHING:
        return ""
    if wanted:
        if wanted.lower() not in parts:
            shown = ", ".join(sorted(parts)) or "none"
            raise UserError(f"{path}: expected a part called {wanted}, got {shown}.")
        return wanted.lower()
    return next((part for part in PARTS if part in known), "")
