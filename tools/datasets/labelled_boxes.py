"""Labelled boxes in Pascal VOC or COCO format, and their splits."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scai.models import labels
from scai.models.cards import DETECTION
from tools.common.errors import UserError
from tools.datasets import annotation_formats, data_sets
from tools.datasets.class_folders import SPLITS, split_of
from tools.datasets.files import Files
from tools.datasets.samples import EVERYTHING, PARTS, TRAINING, Boxes, DataSet, Sample

TRAIN, VALIDATION, TEST = SPLITS
_MEANING = {name: TRAIN for name in TRAINING}
_MEANING |= {name: VALIDATION for name in PARTS if name.startswith("val")}
_MEANING |= {name: TEST for name in PARTS if name.startswith("test")}


@dataclass(frozen=True)
class LabelledBoxes:
    """Pictures with boxes, by split; `classes` in the order of the label file.

    named: split -> the part of the data that is this split, if the data names one
    """

    path: Path
    classes: tuple[str, ...]
    splits: dict[str, DataSet]
    named: dict[str, str]

    def counts(self) -> dict[str, int]:
        """Pictures of each split."""
        return {name: len(data) for name, data in self.splits.items()}

    @property
    def evaluation_split(self) -> str:
        """The split to evaluate a model on: test, else validation, else train."""
        return next(name for name in reversed(SPLITS) if len(self.splits[name]))


def find(
    files: Files,
    data: Path,
    validation: int,
    label_map: Path | None = None,
    learn_from_validation: bool = False,
) -> LabelledBoxes:
    """Find the pictures of `files` and their splits. Raises UserError.

    data: as given, a folder, a .zip or COCO's .json
    validation: percent of the training pictures to set aside, chosen by a hash of their names,
        if the data names no validation part
    label_map: a file with the classes in their order; None: all that occur, sorted
    learn_from_validation: the validation pictures are training pictures as well
    """
    sets, named = _by_part(files, data)
    rows = {name: _rows(sets.get(name, ())) for name in SPLITS}
    if not rows[VALIDATION]:
        by_name = [(split_of(s.name, validation, 0), s) for s in rows[TRAIN]]
        rows[TRAIN] = [s for split, s in by_name if split == TRAIN]
        rows[VALIDATION] = [s for split, s in by_name if split == VALIDATION]
    if learn_from_validation:
        rows[TRAIN] = rows[TRAIN] + rows[VALIDATION]
    if not rows[TRAIN]:
        raise UserError(f"{data}: no training pictures.")
    classes = _classes(rows, label_map, data)
    splits = {
        name: DataSet(DETECTION, named.get(name, ""), classes, tuple(row), files.read)
        for name, row in rows.items()
    }
    return LabelledBoxes(data, classes, splits, named)


def _by_part(files: Files, data: Path) -> tuple[dict[str, list[DataSet]], dict[str, str]]:
    """Split -> its data sets, and split -> the name of the part that alone is this split."""
    if data.suffix.lower() == ".json":
        return {TRAIN: [annotation_formats.load_coco(data, files)]}, {}
    parts = sorted(annotation_formats.parts(files))
    if "train" in parts and "trainval" in parts:
        parts.remove("trainval")
    sets: dict[str, list[DataSet]] = {}
    if not any(_MEANING[part] == TRAIN for part in parts):
        sets[TRAIN] = [data_sets.load(files, DETECTION, EVERYTHING)]
    for part in parts:
        with suppress(_Empty):
            sets.setdefault(_MEANING[part], []).append(_load(files, part))
    named = {_MEANING[part]: part for part in parts if len(sets.get(_MEANING[part], ())) == 1}
    reserved = {
        s.name for split in (TEST, VALIDATION) for d in sets.get(split, ()) for s in d.samples
    }
    train = [_without(data, reserved) for data in sets[TRAIN]]
    return {**sets, TRAIN: train}, named


class _Empty(Exception):
    """A part without pictures, such as the test part of a data set that keeps it secret."""


def _load(files: Files, part: str) -> DataSet:
    for reader in annotation_formats.BOX_READERS:
        data = reader(files, part)
        if data is not None and data.samples:
            return data
    raise _Empty


def _without(data: DataSet, reserved: set[str]) -> DataSet:
    """Leave out pictures of other splits, even if two lists name them."""
    samples = tuple(s for s in data.samples if s.name not in reserved)
    return DataSet(data.kind, data.part, data.classes, samples, data.read)


def _rows(sets: Iterable[DataSet]) -> list[Sample]:
    return list({s.name: s for data in sets for s in data.samples}.values())


def _classes(rows: dict[str, list[Sample]], label_map: Path | None, data: Path) -> tuple[str, ...]:
    """The classes, each with at least one training box. Raises UserError."""
    by_split = {name: _names(row) for name, row in rows.items()}
    present = set().union(*by_split.values())
    if not present:
        raise UserError(f"{data}: no boxes, and so no classes.")
    if label_map is None:
        classes = tuple(sorted(present))
    else:
        names = labels.read(label_map)
        classes = tuple(names[number] for number in sorted(names))
        unknown = sorted(present - set(classes))
        if unknown:
            raise UserError(f"{label_map}: the class {unknown[0]!r} of {data} is not among them.")
    lacking = [name for name in classes if name not in by_split[TRAIN]]
    if lacking:
        raise UserError(f"{data}: no training picture of {lacking[0]!r}.")
    return classes


def _names(samples: Iterable[Sample]) -> set[str]:
    return {n for s in samples if isinstance(s.truth, Boxes) for n in s.truth.names}
