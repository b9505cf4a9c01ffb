"""How good a detector is: mean average precision, as PASCAL VOC has it since 2010."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Picture:
    """What one picture holds and what was found in it; boxes in any unit, the same for both.

    boxes: (n, 4), classes: (n,)
    found_boxes: (m, 4), found_classes: (m,), found_scores: (m,)
    """

    boxes: np.ndarray
    classes: np.ndarray
    found_boxes: np.ndarray
    found_classes: np.ndarray
    found_scores: np.ndarray


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of (n, 4) and (m, 4) boxes, two corners each: (n, m) float."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas_a, areas_b = np.prod(a[:, 2:] - a[:, :2], 1), np.prod(b[:, 2:] - b[:, :2], 1)
    return shared / np.maximum(areas_a[:, None] + areas_b[None, :] - shared, 1e-12)


def of_class(pictures: list[Picture], which: int, overlap: float = 0.5) -> float | None:
    """Area under the precision-recall curve of one class; None where no picture holds it."""
    scores: list[float] = []
    hits: list[bool] = []
    held = 0
    for p in pictures:
        truth = p.boxes[p.classes == which]
        mine = p.found_classes == which
        held += len(truth)
        order = np.argsort(-p.found_scores[mine], kind="stable")
        table = overlaps(p.found_boxes[mine][order], truth)
        taken = np.zeros(len(truth), bool)
        for row, score in zip(table, p.found_scores[mine][order], strict=True):
            best = int(row.argmax()) if len(truth) else -1
            hit = best >= 0 and row[best] >= overlap and not taken[best]
            if hit:
                taken[best] = True
            scores.append(float(score))
            hits.append(bool(hit))
    return _area(np.array(scores), np.array(hits, bool), held) if held else None


def _area(scores: np.ndarray, hits: np.ndarray, held: int) -> float:
    hits = hits[np.argsort(-scores, kind="stable")]
    right = np.cumsum(hits)
    recall = np.concatenate([[0.0], right / held])
    precision = np.concatenate([right / np.arange(1, len(hits) + 1), [0.0]])
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * best_from_here[:-1]))


def mean(pictures: list[Picture], classes: int, overlap: float = 0.5) -> float:
    """Mean over the classes that occur; 0.0 where none does."""
    areas = [a for c in range(classes) if (a := of_class(pictures, c, overlap)) is not None]
    return float(np.mean(areas)) if areas else 0.0


def at_threshold(
    pictures: list[Picture], score: float, overlap: float = 0.5
) -> tuple[float, float]:
    """Precision and recall of right box and right class together, counting scores >= `score`."""
    right = said = held = 0
    for p in pictures:
        shown = p.found_scores >= score
        table = overlaps(p.found_boxes[shown], p.boxes)
        agree = p.found_classes[shown][:, None] == p.classes[None, :]
        right += int(((table >= overlap) & agree).any(axis=0).sum()) if shown.any() else 0
        said, held = said + int(shown.sum()), held + len(p.boxes)
    return right / max(said, 1), right / max(held, 1)
