"""The boxes to learn from: Pascal VOC or COCO, and which pictures are learned from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scai.models import labels
from scai.models.cards import DETECTION
from tools.common.errors import UserError
from tools.datasets import boxes, layouts
from tools.datasets.class_folders import SPLITS, split_of
from tools.datasets.files import Files
from tools.datasets.samples import EVERYTHING, PARTS, TRAINING, Boxes, DataSet, Sample

TRAIN, VALIDATION, TEST = SPLITS
_MEANING = {name: TRAIN for name in TRAINING}
_MEANING |= {name: VALIDATION for name in PARTS if name.startswith("val")}
_MEANING |= {name: TEST for name in PARTS if name.startswith("test")}


@dataclass(frozen=True)
class Labelled:
    """Pictures with boxes, by split; `classes` in the order of the label file.

    named: split -> the part of the data that it is, for splits that the data itself names
    """

    path: Path
    classes: tuple[str, ...]
    splits: dict[str, DataSet]
    named: dict[str, str]

    def counts(self) -> dict[str, int]:
        """Pictures of each split."""
        return {name: len(data) for name, data in self.splits.items()}

    @property
    def judged(self) -> str:
        """The split to judge a model by: test, else validation, else train."""
        return next(name for name in reversed(SPLITS) if len(self.splits[name]))


def find(
    files: Files,
    data: Path,
    validation: int,
    label_map: Path | None = None,
    learn_from_validation: bool = False,
) -> Labelled:
    """The pictures of `files` in their splits. Raises UserError.

    data: as given, a folder, a .zip or COCO's .json
    validation: percent of the pictures to learn from that are kept for judging, by a hash of
        their names, where the data names no such part
    label_map: a file that names the classes in their order; otherwise all that occur, sorted
    learn_from_validation: these pictures are learned from as well
    """
    found, named = _by_part(files, data)
    samples = {name: _rows(found.get(name, ())) for name in SPLITS}
    if not samples[VALIDATION]:
        by_name = [(split_of(s.name, validation, 0), s) for s in samples[TRAIN]]
        samples[TRAIN] = [s for split, s in by_name if split == TRAIN]
        samples[VALIDATION] = [s for split, s in by_name if split == VALIDATION]
    if learn_from_validation:
        samples[TRAIN] = samples[TRAIN] + samples[VALIDATION]
    if not samples[TRAIN]:
        raise UserError(f"{data}: no pictures to learn from.")
    classes = _classes(samples, label_map, data)
    splits = {
        name: DataSet(DETECTION, named.get(name, ""), classes, tuple(rows), files.read)
        for name, rows in samples.items()
    }
    return Labelled(data, classes, splits, named)


def _by_part(files: Files, data: Path) -> tuple[dict[str, list[DataSet]], dict[str, str]]:
    """Split -> what belongs to it, and the names of the parts that are one split each."""
    if data.suffix.lower() == ".json":
        return {TRAIN: [boxes.load_coco(data, files)]}, {}
    parts = sorted(boxes.parts(files))
    if "train" in parts and "trainval" in parts:
        parts.remove("trainval")
    found: dict[str, list[DataSet]] = {}
    if not any(_MEANING[part] == TRAIN for part in parts):
        found[TRAIN] = [layouts.load(files, DETECTION, EVERYTHING)]
    for part in parts:
        with suppress(_Empty):
            found.setdefault(_MEANING[part], []).append(_load(files, part))
    named = {_MEANING[part]: part for part in parts if len(found.get(_MEANING[part], ())) == 1}
    held = {s.name for split in (TEST, VALIDATION) for d in found.get(split, ()) for s in d.samples}
    learned = [_without(data, held) for data in found[TRAIN]]
    return {**found, TRAIN: learned}, named


class _Empty(Exception):
    """A part without pictures, such as the test part of a data set that keeps it secret."""


def _load(files: Files, part: str) -> DataSet:
    for layout in (boxes.coco_files, boxes.voc):
        data = layout(files, part)
        if data is not None and data.samples:
            return data
    raise _Empty


def _without(data: DataSet, held: set[str]) -> DataSet:
    """No picture is learned from that a model is judged by, even if two lists have it."""
    samples = tuple(s for s in data.samples if s.name not in held)
    return DataSet(data.kind, data.part, data.classes, samples, data.read)


def _rows(found: Iterable[DataSet]) -> list[Sample]:
    return list({s.name: s for data in found for s in data.samples}.values())


def _classes(
    samples: dict[str, list[Sample]], label_map: Path | None, data: Path
) -> tuple[str, ...]:
    """The classes, each of which has to have a box to learn from. Raises UserError."""
    by_split = {name: _names(rows) for name, rows in samples.items()}
    present = set().union(*by_split.values())
    if not present:
        raise UserError(f"{data}: no boxes, and so no classes.")
    if label_map is None:
        classes = tuple(sorted(present))
    else:
        known = labels.read(label_map)
        classes = tuple(known[number] for number in sorted(known))
        unknown = sorted(present - set(classes))
        if unknown:
            raise UserError(f"{label_map}: the class {unknown[0]!r} of {data} is not among them.")
    lacking = [name for name in classes if name not in by_split[TRAIN]]
    if lacking:
        raise UserError(f"{data}: no picture to learn {lacking[0]!r} from.")
    return classes


def _names(samples: Iterable[Sample]) -> set[str]:
    return {n for s in samples if isinstance(s.truth, Boxes) for n in s.truth.names}
