"""Results of a recognition: arrays of checked shapes, and the forms in which others need them.

A `Result` knows its JSON, the text of the original SCAI, a summary for the log and its drawing, so
no other module needs to know its class. "Nothing found" is a value like any other:
`Detections.empty(width, height)`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SEED_ENTRIES = 5
_EDGES = ("x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn on a picture of `width` x `height` pixels, the most important first.

    `boxes`: (n, 4) float32 x1, y1, x2, y2 in pixels. `labels`: n texts. `scores`: (n,) float32
    0..1. `masks`: None, or (n, mh, mw) float32 0..1, each stretched over its box.
    """

    boxes: Floats
    labels: tuple[str, ...]
    scores: Floats
    width: int
    height: int
    masks: Floats | None = None

    def __len__(self) -> int:
        return len(self.labels)


class Result(ABC):
    """What a model says of one picture: predictions, best first.

    `labels` holds a text for each prediction.
    """

    labels: tuple[str, ...]

    def __len__(self) -> int:
        """The number of predictions."""
        return len(self.labels)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, with the predictions, best first, under "predictions"."""

    @abstractmethod
    def seed_text(self) -> str:
        """The text that the original SCAI puts into `result` of a session."""

    @abstractmethod
    def summary(self) -> str:
        """A few words for a line of the log."""

    @property
    def drawing(self) -> Drawing | None:
        """What is drawn on the picture; None for a result that is never drawn."""
        return None


@dataclass(frozen=True, eq=False)
class Classification(Result):
    """The k best classes of one picture, best first.

    `labels`: k texts. `indices`: (k,) int64, lines of the label file. `scores`: (k,) float32,
    descending, 0..1 for a model that ends in probabilities.
    """

    labels: tuple[str, ...]
    indices: Ints
    scores: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        k = len(self.labels)
        _store(self, "indices", np.int64, (k,))
        _store(self, "scores", np.float32, (k,))
        if k > 1 and bool(np.any(np.diff(self.scores) > 0)):
            raise ValueError(f"scores: expected descending values, got {self.scores.tolist()}")

    @classmethod
    def empty(cls) -> Classification:
        """No class at all."""
        return cls((), np.empty(0, np.int64), np.empty(0, np.float32))

    def to_dict(self) -> dict[str, Any]:
        """{"predictions": [{"label", "index", "score"}, ...]}, scores to six decimals."""
        return {
            "predictions": [
                {"label": label, "index": int(index), "score": round(float(score), 6)}
                for label, index, score in zip(self.labels, self.indices, self.scores, strict=True)
            ]
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Classification:
        """The result that `to_dict` described."""
        rows = data["predictions"]
        return cls(
            tuple(row["label"] for row in rows),
            np.array([row["index"] for row in rows], np.int64),
            np.array([row["score"] for row in rows], np.float32),
        )

    def seed_text(self) -> str:
        """The first five as a JSON object label -> "97.3%", best first.

        A label that comes twice gets " (2)", so that it does not vanish as an object's key.
        """
        entries: dict[str, str] = {}
        for label, score in zip(self.labels[:SEED_ENTRIES], self.scores, strict=False):
            name, number = label, 1
            while name in entries:
                number += 1
                name = f"{label} ({number})"
            entries[name] = f"{float(score) * 100:.1f}%"
        return json.dumps(entries, ensure_ascii=False)

    def summary(self) -> str:
        """The best class and its score: "cat 97.3%"."""
        return f"{self.labels[0]} {self.scores[0]:.1%}" if len(self) else "no class"


@dataclass(frozen=True, eq=False)
class Detections(Result):
    """The objects of one picture, best first.

    `width`, `height`: pixels of the upright picture. `boxes`: (n, 4) float32 x1, y1, x2, y2 in
    its pixels. `scores`: (n,) float32 0..1. `class_ids`: (n,) int64, ids of the label file.
    `labels`: n texts. `masks`: None, or (n, mh, mw) float32 0..1, each stretched over its box.
    """

    boxes: Floats
    scores: Floats
    class_ids: Ints
    labels: tuple[str, ...]
    width: int
    height: int
    masks: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        n = len(self.labels)
        _store(self, "boxes", np.float32, (n, 4))
        _store(self, "scores", np.float32, (n,))
        _store(self, "class_ids", np.int64, (n,))
        if self.masks is not None:
            _store(self, "masks", np.float32, (n, None, None))

    @classmethod
    def empty(cls, width: int, height: int) -> Detections:
        """No object in a picture of this size."""
        none = np.empty(0, np.float32)
        return cls(none.reshape(0, 4), none, np.empty(0, np.int64), (), width, height)

    def to_dict(self) -> dict[str, Any]:
        """{"width", "height", "predictions": [{"label", "class_id", "score", "box"}]}.

        A box is {"x_min", "y_min", "x_max", "y_max"} to tenths of a pixel; scores have six
        decimals; masks are left out.
        """
        return {
            "width": self.width,
            "height": self.height,
            "predictions": [
                {
                    "label": self.labels[i],
                    "class_id": int(self.class_ids[i]),
                    "score": round(float(self.scores[i]), 6),
                    "box": {
                        name: round(float(edge), 1)
                        for name, edge in zip(_EDGES, self.boxes[i], strict=True)
                    },
                }
                for i in range(len(self))
            ],
        }

    def seed_text(self) -> str:
        """Nothing: the original shows detections as a picture."""
        return ""

    def summary(self) -> str:
        """The number of objects: "3 found"."""
        return f"{len(self)} found"

    @property
    def drawing(self) -> Drawing:
        """Its boxes, masks and labels."""
        return Drawing(
            self.boxes, self.labels, self.scores, self.width, self.height, masks=self.masks
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Detections:
        """The result that `to_dict` described."""
        rows = data["predictions"]
        boxes = [[row["box"][name] for name in _EDGES] for row in rows]
        return cls(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array([row["score"] for row in rows], np.float32),
            np.array([row["class_id"] for row in rows], np.int64),
            tuple(row["label"] for row in rows),
            int(data["width"]),
            int(data["height"]),
        )


def as_classification(result: Result) -> Classification:
    """Return the result as labels of the whole picture. Raises TypeError for another kind."""
    if not isinstance(result, Classification):
        raise TypeError(f"expected labels of the whole picture, got {type(result).__name__}")
    return result


def as_detections(result: Result) -> Detections:
    """Return the result as boxes. Raises TypeError for another kind."""
    if not isinstance(result, Detections):
        raise TypeError(f"expected boxes, got {type(result).__name__}")
    return result


def from_dict(data: dict[str, Any]) -> Result:
    """The result of either kind that its `to_dict` described."""
    return Detections.from_dict(data) if "width" in data else Classification.from_dict(data)


def _store(owner: object, name: str, dtype: type, shape: tuple[int | None, ...]) -> None:
    """Store the attribute as an array of this dtype; raise ValueError for another shape."""
    array: NDArray[Any] = np.asarray(getattr(owner, name), dtype=dtype)
    fits = array.ndim == len(shape) and all(
        size is None or size == got for size, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = str(shape).replace("None", "any")
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")
    object.__setattr__(owner, name, array)
