"""Average precision, as COCO defines it.

Ten IoU thresholds 0.50, 0.55 ... 0.95, precision read at 101 recalls, objects of all sizes. Of each
class, the 100 boxes of a picture with the highest scores count, as in COCO's reference program
cocoeval.py. Source: cocodataset.org, "Detection Evaluate".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)
MAX_BOXES = 100


@dataclass(frozen=True)
class Scene:
    """The objects of a picture and a detector's boxes; in any unit of length, the same for both.

    boxes: (n, 4) x1, y1, x2, y2; classes: (n,) int
    found_boxes: (m, 4), found_classes: (m,), found_scores: (m,)
    ignored: (n,) bool; a detection of such an object is neither right nor wrong
    crowd: (n,) bool; many objects in one box: overlap is the share of the detection inside it
    """

    boxes: np.ndarray
    classes: np.ndarray
    found_boxes: np.ndarray
    found_classes: np.ndarray
    found_scores: np.ndarray
    ignored: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class Curve:
    """The precision and recall of one class with `objects` objects.

    precision: (overlaps, 101) at the recalls `RECALLS`, 0 where a recall is not reached
    recall: (overlaps,) share of the objects that any detection finds
    """

    objects: int
    precision: np.ndarray
    recall: np.ndarray

    def average(self, overlap: float | None = None) -> float:
        """Return the average precision at one overlap of OVERLAPS, or the mean over all ten."""
        rows = self.precision if overlap is None else self.precision[[OVERLAPS.index(overlap)]]
        return float(rows.mean())


def curve(scenes: Sequence[Scene], which: int) -> Curve | None:
    """Compute the curve of class `which`; None where no picture has an object of it."""
    scores: list[np.ndarray] = []
    right: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    objects = 0
    for scene in scenes:
        truth = scene.classes == which
        objects += int((truth & ~scene.ignored).sum())
        mine = np.flatnonzero(scene.found_classes == which)
        mine = mine[np.argsort(-scene.found_scores[mine], kind="stable")][:MAX_BOXES]
        shares = _shares(scene, mine, truth)
        hit, free = _match(shares, scene.ignored[truth], scene.crowd[truth])
        scores.append(scene.found_scores[mine])
        right.append(hit)
        counts.append(~free)
    if not objects:
        return None
    return _curve(np.concatenate(scores), np.hstack(right), np.hstack(counts), objects)


def mean(curves: Sequence[Curve | None], overlap: float | None = None) -> float:
    """Return the mean average precision over the classes that occur; 0.0 where none does."""
    averages = [c.average(overlap) for c in curves if c is not None]
    return float(np.mean(averages)) if averages else 0.0


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of (n, 4) and (m, 4) boxes x1, y1, x2, y2: (n, m) float, 0..1."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas_a, areas_b = np.prod(a[:, 2:] - a[:, :2], 1), np.prod(b[:, 2:] - b[:, :2], 1)
    union = np.maximum(areas_a[:, None] + areas_b[None, :] - shared, 1e-12)
    ratio: np.ndarray = shared / union
    return ratio


def precision_at_recalls(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Precision at each of `RECALLS`: (101,) float, 0 where a recall is not reached.

    precision, recall: (m,) float, 0..1, from the highest score down, so that recall never falls.
    As COCO does, the precision at a recall is the best one at that recall or beyond it.
    """
    best_from_here = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return best_from_here[np.searchsorted(recall, RECALLS, side="left")]


def precision_and_recall(
    scenes: Sequence[Scene], score: float, overlap: float = 0.5
) -> tuple[float, float]:
    """Precision and recall, 0..1, of the detections of at least `score`, over all classes.

    A detection is right if its class is right and it overlaps the object by `overlap`.
    """
    right = detected = objects = 0
    for scene in scenes:
        sure = scene.found_scores >= score
        table = overlaps(scene.found_boxes[sure], scene.boxes)
        agree = scene.found_classes[sure][:, None] == scene.classes[None, :]
        right += int(((table >= overlap) & agree).any(axis=0).sum())
        detected, objects = detected + int(sure.sum()), objects + len(scene.boxes)
    return right / max(detected, 1), right / max(objects, 1)


def _shares(scene: Scene, mine: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (m, n) overlaps of detections and objects; for a crowd, the share of the detection."""
    detections, boxes = scene.found_boxes[mine], scene.boxes[truth]
    table = overlaps(detections, boxes)
    crowd = scene.crowd[truth]
    if crowd.any():
        low = np.maximum(detections[:, None, :2], boxes[None, crowd, :2])
        high = np.minimum(detections[:, None, 2:], boxes[None, crowd, 2:])
        area = np.prod(detections[:, 2:] - detections[:, :2], axis=1)[:, None]
        table[:, crowd] = np.prod(np.clip(high - low, 0, None), 2) / np.maximum(area, 1e-12)
    return table


def _match(
    table: np.ndarray, ignored: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which detections are right, and which do not count: two (overlaps, m) bool.

    Each detection, best score first, is matched to the unmatched object that it overlaps most,
    or, if there is none, to an ignored object. A crowd can be matched many times.
    """
    hit = np.zeros((len(OVERLAPS), len(table)), bool)
    free = np.zeros_like(hit)
    if not table.size:
        return hit, free
    for t, overlap in enumerate(OVERLAPS):
        matched = np.zeros(table.shape[1], bool)
        for d, row in enumerate(table):
            open_ = (row >= overlap - 1e-10) & (~matched | crowd)
            for candidates, outcome in ((open_ & ~ignored, hit), (open_ & ignored, free)):
                if candidates.any():
                    matched[np.where(candidates, row, -1).argmax()] = True
                    outcome[t, d] = True
                    break
    return hit, free


def _curve(scores: np.ndarray, right: np.ndarray, counts: np.ndarray, objects: int) -> Curve:
    order = np.argsort(-scores, kind="stable")
    right, counts = right[:, order], counts[:, order]
    precision, recall = np.zeros((len(OVERLAPS), len(RECALLS))), np.zeros(len(OVERLAPS))
    for t in range(len(OVERLAPS)):
        hits = np.cumsum(right[t, counts[t]])
        if not len(hits):
            continue
        recall[t] = hits[-1] / objects
        reached = hits / np.arange(1, len(hits) + 1)
        precision[t] = precision_at_recalls(reached, hits / objects)
    return Curve(objects, precision, recall)
