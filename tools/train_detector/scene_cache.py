"""Pictures and their boxes, checked and decoded once, as many as memory holds."""

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

OVERSAMPLING = 2  # pictures are kept at up to this many times the input's side
_MEMORY_SHARE = 1 / 4  # of the free memory, for decoded pictures
_MIN_INSIDE = 0.5  # a box is clipped if at least this share of it lies in the picture
_MIN_SIDE = 2.0  # pixels: a narrower box shows nothing

Scene = tuple[np.ndarray, np.ndarray, np.ndarray]  # picture, boxes, classes


@dataclass
class SceneCache:
    """Pictures of one split, (h, w, 3) uint8 at up to OVERSAMPLING times `side` pixels.

    boxes: (n, 4) float32 x1, y1, x2, y2 in the cached picture's pixels, for each picture
    classes: (n,) int32 for each picture; UNSURE for boxes that need not be detected
    left_out: pictures and boxes that could not be used, a sentence each
    """

    side: int
    boxes: list[np.ndarray] = field(default_factory=list)
    classes: list[np.ndarray] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _pictures: list[np.ndarray | None] = field(default_factory=list)
    _readers: list[Callable[[], np.ndarray]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.boxes)

    def scene(self, place: int) -> Scene:
        """A picture with its boxes and classes; do not change the picture."""
        picture = self._pictures[place]
        if picture is None:
            picture = self._readers[place]()
        return picture, self.boxes[place], self.classes[place]


def fill(data: DataSet, side: int, budget: int | None = None) -> SceneCache:
    """Decode and check the pictures of a split. Raises UserError if nothing is left.

    side: of the network's input, pixels
    budget: bytes to keep, a part of the free memory by default; the rest is decoded on each use
    """
    if budget is None:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        budget = int(free * _MEMORY_SHARE)
    cache = SceneCache(side)
    number = {name: place for place, name in enumerate(data.classes)}
    held = 0
    for sample in data.samples:
        try:
            picture, scale = _small(pixels.decode(data.read(sample.name)), side)
        except (ScaiError, OSError) as error:
            cache.left_out.append(f"{sample.name}: {getattr(error, 'message', None) or error}")
            continue
        boxes, classes, sentences = _checked(sample, number, picture, scale)
        cache.left_out += sentences
        cache.boxes.append(boxes)
        cache.classes.append(classes)
        cache._readers.append(_reader(data, sample.name, side))
        fits = held + picture.nbytes <= budget
        held += picture.nbytes if fits else 0
        cache._pictures.append(picture if fits else None)
    if not len(cache):
        raise UserError(f"none of {len(data)} pictures can be read: {cache.left_out[0]}.")
    if not sum(int((c != UNSURE).sum()) for c in cache.classes):
        first = f": {cache.left_out[0]}" if cache.left_out else ""
        raise UserError(f"none of {len(data)} pictures has a usable box{first}.")
    return cache


def _reader(data: DataSet, name: str, side: int) -> Callable[[], np.ndarray]:
    return lambda: _small(pixels.decode(data.read(name)), side)[0]


def _small(picture: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Shrink the picture to at most OVERSAMPLING * side; also returns the scale."""
    scale = min(1.0, OVERSAMPLING * side / max(picture.shape[:2]))
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
    boxes, classes, sentences = [], [], []
    for i, (box, inner) in enumerate(zip(truth.boxes, clipped, strict=True)):
        sides, left = box[2:] - box[:2], inner[2:] - inner[:2]
        where = f"{sample.name}: box {i + 1} ({truth.names[i]})"
        # A comparison with NaN is false, so a box with NaN counts as empty.
        if not (np.isfinite(box).all() and (sides >= _MIN_SIDE).all()):
            sentences.append(f"{where} is empty")
        elif left.min() < _MIN_SIDE or left.prod() < _MIN_INSIDE * sides.prod():
            sentences.append(f"{where} lies outside the picture of {width:.0f}x{height:.0f} pixels")
        else:
            boxes.append(inner * scale)
            classes.append(UNSURE if truth.ignored[i] else number[truth.names[i]])
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int32), sentences


def letterbox_scenes(cache: SceneCache, places: Sequence[int]) -> list[Scene]:
    """Pictures letterboxed as the worker does it: (side, side, 3), in the top left corner."""
    scenes = []
    for place in places:
        picture, boxes, classes = cache.scene(place)
        height, width = picture.shape[:2]
        inner = pixels.letterbox_inner(height, width, cache.side, cache.side)
        scale = np.array([inner[1] / width, inner[0] / height] * 2, np.float32)
        square = pixels.letterbox(picture, cache.side, cache.side)
        scenes.append((square, boxes * scale, classes))
    return scenes
