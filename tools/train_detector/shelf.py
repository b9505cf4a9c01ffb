"""Pictures and their boxes, checked and at hand: decoded once and kept, as many as memory holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from scai.errors import ScaiError
from scai.pictures import pixels
from tools.common.errors import UserError
from tools.datasets.samples import Boxes, DataSet, Sample
from tools.train_detector.targets import UNSURE

FINER = 2  # pictures are kept at up to this many times the input's side
_OF_FREE = 4  # one part in so many of the free memory is for decoded pictures
_SLIGHTLY = 0.5  # a box is clipped if at least this share of it lies in the picture
_LEAST = 2.0  # pixels: a narrower box shows nothing

Scene = tuple[np.ndarray, np.ndarray, np.ndarray]  # picture, boxes, classes


@dataclass
class Shelf:
    """Pictures of one split, (h, w, 3) uint8 at up to FINER times `side` pixels.

    boxes: (n, 4) float32 x1, y1, x2, y2 in the kept picture's pixels, for each picture
    classes: (n,) int32 for each picture; UNSURE for what need not be found
    left_out: what could not be used, a sentence each
    """

    side: int
    boxes: list[np.ndarray] = field(default_factory=list)
    classes: list[np.ndarray] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _kept: list[np.ndarray | None] = field(default_factory=list)
    _again: list[Callable[[], np.ndarray]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.boxes)

    def scene(self, place: int) -> Scene:
        """A picture with its boxes and classes; a kept one is not to be changed."""
        kept = self._kept[place]
        picture = self._again[place]() if kept is None else kept
        return picture, self.boxes[place], self.classes[place]


def fill(data: DataSet, side: int, budget: int | None = None) -> Shelf:
    """Decode and check the pictures of a split. Raises UserError if nothing is left.

    side: of the network's input, pixels
    budget: bytes to keep, a part of the free memory by default; the rest is decoded when wanted
    """
    if budget is None:
        budget = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _OF_FREE
    shelf = Shelf(side)
    number = {name: place for place, name in enumerate(data.classes)}
    held = 0
    for sample in data.samples:
        try:
            picture, scale = _small(pixels.decode(data.read(sample.name)), side)
        except (ScaiError, OSError) as error:
            shelf.left_out.append(f"{sample.name}: {getattr(error, 'message', None) or error}")
            continue
        boxes, classes, said = _checked(sample, number, picture, scale)
        shelf.left_out += said
        shelf.boxes.append(boxes)
        shelf.classes.append(classes)
        shelf._again.append(_reader(data, sample.name, side))
        fits = held + picture.nbytes <= budget
        held += picture.nbytes if fits else 0
        shelf._kept.append(picture if fits else None)
    if not len(shelf):
        raise UserError(f"none of {len(data)} pictures can be read: {shelf.left_out[0]}.")
    if not sum(int((c != UNSURE).sum()) for c in shelf.classes):
        first = f": {shelf.left_out[0]}" if shelf.left_out else ""
        raise UserError(f"none of {len(data)} pictures has a box that can be learned{first}.")
    return shelf


def _reader(data: DataSet, name: str, side: int) -> Callable[[], np.ndarray]:
    return lambda: _small(pixels.decode(data.read(name)), side)[0]


def _small(picture: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The picture no longer than FINER * side, and how much smaller that is."""
    scale = min(1.0, FINER * side / max(picture.shape[:2]))
    if scale == 1.0:
        return picture, scale
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), scale


def _checked(
    sample: Sample, number: dict[str, int], picture: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The usable boxes and their classes, and a sentence for each other box."""
    truth = sample.truth
    assert isinstance(truth, Boxes)
    height, width = picture.shape[0] / scale, picture.shape[1] / scale
    clipped = np.clip(truth.boxes, 0, (width, height, width, height))
    boxes, classes, said = [], [], []
    for i, (box, inner) in enumerate(zip(truth.boxes, clipped, strict=True)):
        sides, left = box[2:] - box[:2], inner[2:] - inner[:2]
        where = f"{sample.name}: box {i + 1} ({truth.names[i]})"
        # A comparison with NaN is false, so whatever is no number is called empty.
        if not (np.isfinite(box).all() and (sides >= _LEAST).all()):
            said.append(f"{where} is empty")
        elif left.min() < _LEAST or left.prod() < _SLIGHTLY * sides.prod():
            said.append(f"{where} lies outside the picture of {width:.0f}x{height:.0f} pixels")
        else:
            boxes.append(inner * scale)
            classes.append(UNSURE if truth.ignored[i] else number[truth.names[i]])
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int32), said


def fitted(shelf: Shelf, places: Sequence[int]) -> list[Scene]:
    """Pictures as the worker gives them to the network: (side, side, 3), in the top left corner."""
    scenes = []
    for place in places:
        picture, boxes, classes = shelf.scene(place)
        inner = pixels.letterbox_inner(*picture.shape[:2], shelf.side, shelf.side)
        scale = np.array([inner[1] / picture.shape[1], inner[0] / picture.shape[0]] * 2, np.float32)
        square = pixels.letterbox(picture, shelf.side, shelf.side)
        scenes.append((square, boxes * scale, classes))
    return scenes
