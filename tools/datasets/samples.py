"""Labelled pictures to judge a model by: class folders, Pascal VOC or COCO, as folder or zip.

Pictures are read one by one when they are wanted; nothing is unpacked.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from scai.models.cards import CLASSIFICATION, DETECTION
from scai.pictures.header import SUFFIXES
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


class Files:
    """The files of a folder or a zip by their names with slashes; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            found = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
            self.names = sorted(file.as_posix() for file in found)
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file or folder.") from None
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{path}: expected a folder, a .zip or COCO's .json.") from error
        self.names = sorted(n for n in self._zip.namelist() if not n.endswith("/"))

    def read(self, name: str) -> bytes:
        """The content of one file. Raises OSError for one that cannot be read."""
        if self._zip is None:
            return (self.path / name).read_bytes()
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
            raise OSError(f"{name}: cannot be read from the zip") from error

    @cached_property
    def by_last_part(self) -> dict[str, list[str]]:
        """The last part of a name -> all names that end in it."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(PurePosixPath(name).name, []).append(name)
        return found

    def close(self) -> None:
        """Let go of the zip."""
        if self._zip is not None:
            self._zip.close()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_files(data: Path, images: Path | None = None) -> Files:
    """The files of a folder or zip, or those beside a COCO .json. Raises UserError.

    images: where the pictures of the .json are; otherwise beside it, or beside its `annotations`
    """
    if data.suffix.lower() != ".json":
        if images is not None:
            raise UserError("--images goes with a COCO .json.")
        return Files(data)
    near = data.parent.parent if data.parent.name == "annotations" else data.parent
    return Files(images or near)


def load(files: Files, kind: str = "", part: str = "") -> DataSet:
    """The data of `files`. Raises UserError.

    `kind`: of recognition, "" to see it from the files. `part`: train, test, ...; "": test, else
    val, else all; "all": all.
    """
    # These build on the classes above.
    from tools.datasets import boxes as evaluation_boxes

    layouts = (evaluation_boxes.coco_files, evaluation_boxes.voc, _class_folders)
    kinds = (DETECTION, DETECTION, CLASSIFICATION)
    for layout, found_kind in zip(layouts, kinds, strict=True):
        data = layout(files, part) if kind in ("", found_kind) else None
        if data is not None:
            if not data.samples:
                raise UserError(f"{files.path}: no pictures in the part {data.part}.")
            return data
    wanted = {
        DETECTION: "Pascal VOC (*.xml) or COCO (*.json)",
        CLASSIFICATION: "a folder of pictures for each class",
    }
    shown = " or ".join(text for name, text in wanted.items() if kind in ("", name))
    raise UserError(f"{files.path}: expected {shown}, got {len(files.names)} other files.")


def _class_folders(files: Files, part: str) -> DataSet | None:
    """`<any>/<class>/<picture>`; with parts: `<any>/<part>/<class>/<picture>`."""
    pictures = [PurePosixPath(n) for n in files.names if is_picture(n)]
    pictures = [path for path in pictures if len(path.parts) > 1]
    parts = {path.parts[-3].lower() for path in pictures if len(path.parts) > 2}
    chosen = choose_part(parts, part, files.path)
    if chosen:
        pictures = [p for p in pictures if len(p.parts) > 2 and p.parts[-3].lower() == chosen]
    samples = tuple(Sample(path.as_posix(), path.parts[-2]) for path in pictures)
    classes = tuple(sorted({str(sample.truth) for sample in samples}))
    return DataSet(CLASSIFICATION, chosen, classes, samples, files.read) if samples else None


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


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture that SCAI reads."""
    # macOS adds files about files to its zips.
    return name.lower().endswith(SUFFIXES) and not name.startswith("__MACOSX/")
