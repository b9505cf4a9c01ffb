"""Read labelled boxes: Pascal VOC and COCO."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from scai.models.cards import DETECTION
from tools.common.errors import UserError
from tools.datasets.files import Files, is_picture
from tools.datasets.samples import PARTS, TRAINING, Boxes, DataSet, Sample, choose_part


def load_coco(notes: Path, files: Files) -> DataSet:
    """Read a COCO file whose pictures are in `files`. Raises UserError."""
    try:
        content = json.loads(notes.read_bytes())
    except OSError as error:
        raise UserError(f"{notes}: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{notes}: expected JSON ({error}).") from error
    data = _coco(content, files, _part_of(str(notes)), str(notes))
    if not data.samples:
        raise UserError(f"{notes}: no pictures.")
    return data


def parts(files: Files) -> set[str]:
    """List the parts of labelled boxes, names of `PARTS` and `TRAINING`."""
    names = _voc_names(files)
    if names is None:
        return set(_coco_parts(files)) & {*PARTS, *TRAINING}
    return set(_voc_lists(files)) & {*PARTS, *TRAINING} or _voc_folders(names)


def _voc_names(files: Files) -> list[str] | None:
    """List the annotations and pictures; None where there is no annotation."""
    names = [n for n in files.names if n.lower().endswith(".xml") or is_picture(n)]
    return names if any(n.lower().endswith(".xml") for n in names) else None


def _voc_lists(files: Files) -> dict[str, str]:
    return {
        PurePosixPath(n).stem.lower(): n
        for n in files.names
        if PurePosixPath(n).match("ImageSets/Main/*.txt")
    }


def _voc_folders(names: Iterable[str]) -> set[str]:
    return {folder for n in names for folder in _folders(n)} & {*PARTS, *TRAINING}


def voc(files: Files, part: str) -> DataSet | None:
    """Read Pascal VOC: `<stem>.xml` and pictures of the same stems; None for other data.

    The parts are `ImageSets/Main/<part>.txt`, or else folders of that name.
    """
    names = _voc_names(files)
    if names is None:
        return None
    lists = _voc_lists(files)
    subset = choose_part(set(lists) or _voc_folders(names), part, files.path)
    if subset and not lists:
        names = [n for n in names if subset in _folders(n)]
    notes = {PurePosixPath(n).stem: n for n in names if n.lower().endswith(".xml")}
    pictures = {PurePosixPath(n).stem: n for n in names if is_picture(n)}
    stems: Iterable[str] = sorted(notes)
    if subset and lists:
        lines = files.read(lists[subset]).decode(errors="replace").splitlines()
        stems = [line.split()[0] for line in lines if line.strip()]
    samples = []
    for stem in stems:
        if stem not in notes or stem not in pictures:
            missing = "picture" if stem in notes else "annotation"
            raise UserError(f"{files.path}: {stem}: expected picture and .xml, got no {missing}.")
        samples.append(Sample(pictures[stem], _voc_boxes(files.read(notes[stem]), notes[stem])))
    return DataSet(DETECTION, subset, _box_classes(samples), tuple(samples), files.read)


def _voc_boxes(data: bytes, name: str) -> Boxes:
    """Read an annotation. VOC counts pixels from 1 and includes the last one."""
    try:
        objects = list(ElementTree.fromstring(data).iter("object"))
        names = tuple((item.findtext("name") or "").strip() for item in objects)
        edges = [
            [
                float(item.findtext(f"bndbox/{edge}") or "")
                for edge in ("xmin", "ymin", "xmax", "ymax")
            ]
            for item in objects
        ]
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{name}: expected an annotation of Pascal VOC.") from error
    if "" in names:
        raise UserError(f"{name}: object {names.index('') + 1} has no name.")
    boxes = np.array(edges, float).reshape(-1, 4) - (1, 1, 0, 0)
    difficult = np.array([item.findtext("difficult") == "1" for item in objects], bool)
    return Boxes(boxes, names, difficult, np.zeros(len(names), bool))


def coco_files(files: Files, part: str) -> DataSet | None:
    """Read COCO: a .json with images, annotations and categories; None for other data."""
    notes = [n for n in files.names if n.lower().endswith(".json")]
    by_part = _coco_parts(files)
    subset = choose_part(set(by_part), part, files.path) if by_part else ""
    for name in [by_part[subset]] if subset else notes:
        try:
            content = json.loads(files.read(name))
        except ValueError:
            continue
        if isinstance(content, dict) and {"images", "annotations", "categories"} <= set(content):
            return _coco(content, files, subset, f"{files.path}: {name}")
    return None


def _coco_parts(files: Files) -> dict[str, str]:
    """Return the .json files by the part in their names."""
    notes = [n for n in files.names if n.lower().endswith(".json")]
    return {_part_of(name): name for name in notes if _part_of(name)}


def _part_of(name: str) -> str:
    """Return the part of a COCO file: annotations/instances_val2017.json -> val2017."""
    texts = (PurePosixPath(name).stem.lower(), *reversed(_folders(name)))
    longest_first = sorted((*PARTS, *TRAINING), key=len, reverse=True)
    return next((p for text in texts for p in longest_first if p in text), "")


def _coco(content: Any, files: Files, part: str, where: str) -> DataSet:
    try:
        names = {row["id"]: str(row["name"]) for row in content["categories"]}
        rows: dict[object, list[Mapping[str, Any]]] = {row["id"]: [] for row in content["images"]}
        for row in content["annotations"]:
            _check(row, rows, names, where)
            rows[row["image_id"]].append(row)
        samples = tuple(
            Sample(_picture(row["file_name"], files, part), _coco_boxes(rows[row["id"]], names))
            for row in content["images"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: expected an instances file of COCO.") from error
    return DataSet(DETECTION, part, tuple(names.values()), samples, files.read)


def _check(row: Any, pictures: Mapping[Any, Any], names: Mapping[Any, str], where: str) -> None:
    """Check that the category and image of an annotation exist. Raises UserError."""
    for key, rows, title in (
        ("category_id", names, "categories"),
        ("image_id", pictures, "images"),
    ):
        if row[key] not in rows:
            name = f"annotation {row.get('id', '')}".strip()
            raise UserError(f"{where}: {name} has {key} {row[key]}, which is not among {title}.")


def _coco_boxes(rows: list[Mapping[str, Any]], names: Mapping[object, str]) -> Boxes:
    """Convert COCO's boxes: x, y, width, height in pixels."""
    corners = np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    crowd = np.array([bool(row.get("iscrowd")) for row in rows], bool)
    return Boxes(corners, tuple(names[row["category_id"]] for row in rows), crowd, crowd)


def _picture(name: str, files: Files, part: str) -> str:
    """Find a picture: under its name, else in the part's folder, else anywhere.

    A missing picture keeps its name, and counts as unreadable.
    """
    candidates = files.by_last_part.get(PurePosixPath(name).name, [])
    if name in candidates or not candidates:
        return name
    return next((place for place in candidates if part in _folders(place)), candidates[0])


def _folders(name: str) -> list[str]:
    return [piece.lower() for piece in PurePosixPath(name).parts[:-1]]


def _box_classes(samples: Iterable[Sample]) -> tuple[str, ...]:
    names = {n for s in samples if isinstance(s.truth, Boxes) for n in s.truth.names}
    return tuple(sorted(names))


# Readers of labelled boxes in the order in which they are tried: each takes the files and the part
# to read, and returns None for data in another format. `parts` names the parts of both.
BOX_READERS: tuple[Callable[[Files, str], DataSet | None], ...] = (coco_files, voc)
