"""Object detection: the objects in a picture, each with a label, a box and a score.

Two families of models are supported; their outputs tell which one a model belongs to:

api     the TF Object Detection API's names (detection_boxes, detection_scores, detection_classes,
        num_detections, perhaps detection_masks); classes count from 1
tflite  TFLite_Detection_PostProcess: boxes, classes, scores, count, in this order or, in newer
        exports, in any; classes count from 0

Boxes come as ymin, xmin, ymax, xmax in 0..1 of the input.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from scai.engines.base import EngineBase, TensorSpec, output_index
from scai.errors import ConfigError
from scai.models import labels
from scai.models.cards import DETECTION, ModelCard
from scai.pictures.pixels import fit_within, letterbox_inner, resize
from scai.recognition.loading import load_engine
from scai.recognition.recognizer import NONE, Options, Pixels, Recognizer, Tensor, as_input
from scai.recognition.results import Detections
from workers._main import options, run, start

log = logging.getLogger(__name__)

KIND = DETECTION
TRIAL_SIDE = 320
# First lines of label files that are no class: the classes begin at line 1.
_NO_CLASS = ("???", "background", "__background__", "unlabeled")


@dataclass(frozen=True)
class _Outputs:
    """Index of each output; `first_class` is the model's number of its first class."""

    boxes: int
    scores: int
    classes: int
    count: int | None
    masks: int | None
    first_class: int


class ObjectDetection(Recognizer):
    """A detector whose model includes non-maximum suppression (NMS)."""

    def __init__(self, card: ModelCard, engine: EngineBase, names: dict[int, str]) -> None:
        super().__init__(card, engine)
        self._names = names
        sides = engine.input.shape[1:3]
        height, width = sides[0] or card.input_height, sides[1] or card.input_width
        self._size = (height, width) if height and width else None
        if (card.input_height is None) != (card.input_width is None) and not self._size:
            raise ConfigError(f"{card.where('INPUT_HEIGHT')}: expected INPUT_WIDTH beside it")
        self._outputs = _by_name(engine.outputs) or self._by_values()
        self._offset = self._label_offset()
        self._check_count()

    def prepare(self, image: Pixels) -> Tensor:
        """The picture at the size of the model's input, or if that is free, up to MAX_SIDE."""
        if self._size:
            pixels = resize(image, *self._size, method=self.card.resize)
        else:
            pixels = fit_within(image, self.card.max_side)
        return as_input(pixels, self.engine.input, self.card.input_mean, self.card.input_std)

    def read(
        self, outputs: Sequence[Tensor], index: int, size: tuple[int, int], options: Options = NONE
    ) -> Detections:
        """The boxes of image `index` in its pixels: those above the threshold, best first."""
        width, height = size
        threshold = self.card.min_score if options.threshold is None else options.threshold
        scores = outputs[self._outputs.scores][index].astype(np.float32).ravel()
        boxes = outputs[self._outputs.boxes][index].astype(np.float32).reshape(-1, 4)
        classes = outputs[self._outputs.classes][index].astype(np.float32).ravel()
        boxes, sound = _in_pixels(boxes * self._shares(width, height), width, height)
        # A comparison with NaN is false, so NaN drops out here.
        with np.errstate(invalid="ignore"):
            keep = sound & (scores >= threshold) & np.isfinite(classes)
        keep[self._count(outputs, index, len(scores)) :] = False
        rows = np.flatnonzero(keep)
        rows = rows[np.argsort(-scores[rows], kind="stable")][
            : options.top_k or self.card.max_detections
        ]
        ids = classes[rows].astype(np.int64) + self._offset
        return Detections(
            boxes=boxes[rows],
            scores=np.minimum(scores[rows], np.float32(1)),
            class_ids=ids,
            labels=tuple(self._names.get(int(i)) or f"class {i}" for i in ids),
            width=width,
            height=height,
            masks=self._masks(outputs, index, rows),
        )

    def _shares(self, width: int, height: int) -> NDArray[np.float32]:
        """(4,) factors from shares of the input to shares of the picture without letterbox."""
        if self._size is None or self.card.resize != "letterbox":
            return np.ones(4, np.float32)
        inner_h, inner_w = letterbox_inner(height, width, *self._size)
        factors = (self._size[0] / inner_h, self._size[1] / inner_w)
        return np.array(factors * 2, np.float32)

    def _count(self, outputs: Sequence[Tensor], index: int, rows: int) -> int:
        """The number of rows that the model filled, of `rows`."""
        if self._outputs.count is None:
            return rows
        count = float(np.asarray(outputs[self._outputs.count][index], np.float64).ravel()[0])
        return int(count) if 0 <= count <= rows else rows

    def _masks(
        self, outputs: Sequence[Tensor], index: int, rows: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """(n, mh, mw) 0..1 within the boxes; None for a model without masks."""
        if self._outputs.masks is None:
            return None
        masks = outputs[self._outputs.masks][index].astype(np.float32)
        return np.asarray(masks[rows])

    def _by_values(self) -> _Outputs:
        """Identify the outputs by shape and, where two shapes are equal, by their values for noise.

        Raises ConfigError for outputs that are not a detector's.
        """
        specs = self.engine.outputs
        height, width = self._size or (TRIAL_SIDE, TRIAL_SIDE)
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        arrays = self.engine.infer(self.prepare(noise)[None])
        self._check(arrays, 1)
        boxes = [i for i, a in enumerate(arrays) if a.ndim == 3 and a.shape[2] == 4]
        rows = arrays[boxes[0]].shape[1] if boxes else 0
        lists = [i for i, a in enumerate(arrays) if a.ndim == 2 and a.shape[1] == rows]
        counts = [i for i, a in enumerate(arrays) if a.size == 1 and i not in lists[:2]]
        if len(boxes) != 1 or len(lists) < 2:
            shapes = ", ".join(f"{s.name} {a.shape}" for s, a in zip(specs, arrays, strict=True))
            raise ConfigError(
                f"{self.card.where('PATH_TO_CKPT')}: expected a detector's boxes, scores and "
                f"classes as outputs, got {shapes}"
            )
        classes, scores = lists[:2]
        if not _whole(arrays[classes]) and _whole(arrays[scores]):
            classes, scores = scores, classes
        return _Outputs(boxes[0], scores, classes, counts[0] if counts else None, None, 0)

    def _label_offset(self) -> int:
        """The number to add to a class for its id in the label file."""
        if self.card.label_offset is not None:
            return self.card.label_offset
        if not self._names:
            return 0
        first = min(self._names)
        if self._names[first].lower() in _NO_CLASS:
            first += 1
        if self._is_map():
            # The ids of a label map are the model's own, even if it names only a few.
            first = min(first, 1)
        return first - self._outputs.first_class

    def _is_map(self) -> bool:
        return self.card.labels is not None and labels.is_map(self.card.labels)

    def _check_count(self) -> None:
        """Raise ConfigError if NUM_CLASSES is not the number of the label file."""
        count = self.card.num_classes
        if count is None or not self._names:
            return
        ids = [number for number, name in self._names.items() if name.lower() not in _NO_CLASS]
        # A map may skip ids: COCO names 80 of 90. Lines count from 0 unless the first is no class.
        from_zero = not self._is_map() and 0 in ids
        largest = max(ids, default=0) + from_zero
        if count not in (largest, len(ids)):
            raise ConfigError(
                f"{self.card.where('NUM_CLASSES')}: expected {largest}, as {self.card.labels} has, "
                f"got {count}"
            )


def _by_name(specs: Sequence[TensorSpec]) -> _Outputs | None:
    """The outputs by the names of the TF Object Detection API, or by the order of old exports."""
    index = {
        key: output_index(specs, f"detection_{key}")
        for key in ("boxes", "scores", "classes", "masks")
    }
    boxes, scores, classes = index["boxes"], index["scores"], index["classes"]
    if boxes is not None and scores is not None and classes is not None:
        count = output_index(specs, "num_detections")
        return _Outputs(boxes, scores, classes, count, index["masks"], 1)
    if len(specs) == 4 and specs[0].name == "TFLite_Detection_PostProcess":
        return _Outputs(boxes=0, classes=1, scores=2, count=3, masks=None, first_class=0)
    return None


def _whole(array: Tensor) -> bool:
    values = array.astype(np.float32)
    return bool(np.all(values == np.rint(values)))


def _in_pixels(
    boxes: NDArray[np.float32], width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(n, 4) x1, y1, x2, y2 in pixels, clipped to the picture, and whether each has an area."""
    order = boxes[:, [1, 0, 3, 2]] * np.array([width, height, width, height], np.float32)
    edges = np.clip(order, 0, np.array([width, height, width, height], np.float32))
    with np.errstate(invalid="ignore"):
        sound = (edges[:, 2] > edges[:, 0]) & (edges[:, 3] > edges[:, 1])
    return edges, sound


def build(card: ModelCard, batch: int = 0) -> ObjectDetection:
    """Load the model of a card. `batch`: the largest number of images at once; 0: unknown.

    Raises ConfigError or UnsupportedModel.
    """
    names = labels.read(card.labels) if card.labels else {}
    classes = sum(name.lower() not in _NO_CLASS for name in names.values())
    return ObjectDetection(card, load_engine(card, classes=classes, batch=batch), names)


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@options
def main(**flags: Any) -> None:
    """Detect objects in the pictures of the jobs in the queue folder."""
    run(KIND, build, flags)


if __name__ == "__main__":
    start(main)
