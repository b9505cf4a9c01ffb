"""Labelled pictures to evaluate a model with: class folders, Pascal VOC or COCO, folder or zip."""

from __future__ import annotations

from pathlib import PurePosixPath

from scai.models.cards import CLASSIFICATION, DETECTION
from tools.common.errors import UserError
from tools.datasets import annotation_formats
from tools.datasets.files import Files, is_picture
from tools.datasets.samples import DataSet, Sample, choose_part


def load(files: Files, kind: str = "", part: str = "") -> DataSet:
    """Read the data set of `files`. Raises UserError.

    `kind`: of recognition, "" to detect it from the files. `part`: train, test, ...; "": test, else
    val, else all; "all": all.
    """
    readers = [(DETECTION, reader) for reader in annotation_formats.BOX_READERS]
    readers.append((CLASSIFICATION, _class_folders))
    for data_kind, reader in readers:
        data = reader(files, part) if kind in ("", data_kind) else None
        if data is not None:
            if not data.samples:
                raise UserError(f"{files.path}: no pictures in the part {data.part}.")
            return data
    formats = {
        DETECTION: "Pascal VOC (*.xml) or COCO (*.json)",
        CLASSIFICATION: "a folder of pictures for each class",
    }
    expected = " or ".join(text for name, text in formats.items() if kind in ("", name))
    raise UserError(f"{files.path}: expected {expected}, got {len(files.names)} other files.")


def _class_folders(files: Files, part: str) -> DataSet | None:
    """Read `<any>/<class>/<picture>`; with parts, `<any>/<part>/<class>/<picture>`."""
    pictures = [PurePosixPath(n) for n in files.names if is_picture(n)]
    pictures = [path for path in pictures if len(path.parts) > 1]
    parts = {path.parts[-3].lower() for path in pictures if len(path.parts) > 2}
    subset = choose_part(parts, part, files.path)
    if subset:
        pictures = [p for p in pictures if len(p.parts) > 2 and p.parts[-3].lower() == subset]
    samples = tuple(Sample(path.as_posix(), path.parts[-2]) for path in pictures)
    classes = tuple(sorted({str(sample.truth) for sample in samples}))
    return DataSet(CLASSIFICATION, subset, classes, samples, files.read) if samples else None
