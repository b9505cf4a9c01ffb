"""Labelled pictures in class folders, on disk or in a .zip, and their splits."""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import click
import numpy as np

from scai.errors import ScaiError
from scai.pictures.header import Limits
from tools.common.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SPLITS = ("train", "validation", "test")
_NAMED = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
_NAMED |= {"test": "test"}


@dataclass(frozen=True)
class LabelledFile:
    """One picture file: `path` inside the folder or zip, class number, `split` one of SPLITS."""

    path: str
    label: int
    split: str


@dataclass
class Pictures:
    """The files below `root`, a folder or a .zip; `classes` in alphabetical order.

    broken: path -> why it cannot be read, entered by whoever decodes
    """

    root: Path
    classes: tuple[str, ...]
    items: list[LabelledFile]
    broken: dict[str, str] = field(default_factory=dict)
    _reported: set[str] = field(default_factory=set, repr=False)

    def of(self, split: str) -> list[LabelledFile]:
        """The files of a split that are not known to be broken."""
        return [i for i in self.items if i.split == split and i.path not in self.broken]

    def counts(self) -> dict[str, int]:
        """Readable pictures in each split, as far as is known."""
        return {split: len(self.of(split)) for split in SPLITS}

    def reader(self) -> "Reader":
        """Opens the folder or zip; a context manager."""
        return Reader(self.root)

    def report_broken(self) -> None:
        """Print the names of broken pictures to stderr, each once."""
        for path in [p for p in self.broken if p not in self._reported]:
            click.echo(f"left out: {path}: {self.broken[path]}", err=True)
            self._reported.add(path)

    def check_learnable(self, labels: np.ndarray) -> None:
        """Check that every class has a picture among `labels` (n,) int. Raises UserError."""
        present = np.bincount(labels.astype(int), minlength=len(self.classes))
        lacking = [c for c, n in zip(self.classes, present, strict=True) if n == 0]
        if lacking:
            reserved = sum(
                self.classes[i.label] == lacking[0] for i in self.items if i.split != "train"
            )
            more = (
                f"; {reserved} of its pictures are for validation and testing" if reserved else ""
            )
            raise UserError(f"{self.root}: no readable training picture of {lacking[0]!r}{more}.")


class Reader:
    """Reads the files of a folder or zip; a context manager."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._zip = zipfile.ZipFile(root) if root.is_file() else None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip:
            self._zip.close()

    def read(self, path: str) -> bytes:
        """The bytes of one file. Raises OSError."""
        if self._zip is None:
            return (self._root / path).read_bytes()
        try:
            return self._zip.read(path)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
            raise OSError(str(error)) from error  # damaged, or locked with a password


def find(root: Path, validation: int = 10, testing: int = 10) -> Pictures:
    """Find the pictures of `<anything>/<class>/*` or `<anything>/{train,test}/<class>/*`.

    validation, testing: percent of the pictures, chosen by a hash of the name, unless the
        folders name the split. Raises UserError.
    """
    names, folders = _listing(root)
    files = [(name, PurePosixPath(name).parts) for name in names]
    files = [(n, p) for n, p in files if len(p) > 1 and p[-1].lower().endswith(SUFFIXES)]
    files = [(n, p) for n, p in files if not any(part.startswith((".", "__")) for part in p)]
    _refuse_empty(root, folders, {str(PurePosixPath(n).parent) for n, _ in files})
    classes = tuple(sorted({p[-2] for _, p in files}))
    if len(classes) < 2:
        only = f"only {classes[0]!r}" if classes else "none"
        raise UserError(f"{root}: expected two or more class folders with pictures, got {only}.")
    named = {_named_split(p) for _, p in files}
    items = []
    for name, parts in sorted(files):
        own = _named_split(parts)
        percent = 0 if "test" in named else testing, 0 if "validation" in named else validation
        split = own or "train"
        if split == "train":
            split = split_of("/".join(parts[-2:]), percent[1], percent[0])
        items.append(LabelledFile(name, classes.index(parts[-2]), split))
    return Pictures(root, classes, items)


def split_of(name: str, validation: int, testing: int) -> str:
    """The split of a picture, which depends on its name alone.

    What follows `_nohash_` in a name does not count, so near-copies stay together.
    """
    stem = re.sub(r"_nohash_.*$", "", name)
    place = int(hashlib.sha1(stem.encode()).hexdigest(), 16) % 10_000 / 100
    if place < validation:
        return "validation"
    return "test" if place < validation + testing else "train"


def decode(data: bytes, side: tuple[int, int], method: str = "area") -> np.ndarray:
    """The picture as the server would see it: (height, width, 3) uint8 RGB. Raises ScaiError."""
    from scai.pictures import pixels

    return np.asarray(pixels.resize(pixels.decode(data, Limits()), *side, method=method))


def load(
    pictures: Pictures, items: Sequence[LabelledFile], side: int, method: str = "area"
) -> tuple[np.ndarray, np.ndarray]:
    """All `items` as (n, side, side, 3) uint8 and labels (n,) int32; broken ones are left out."""
    images = np.empty((len(items), side, side, 3), np.uint8)
    labels: list[int] = []
    with pictures.reader() as reader:
        for item in items:
            try:
                images[len(labels)] = decode(reader.read(item.path), (side, side), method)
            except (ScaiError, OSError) as error:
                pictures.broken[item.path] = str(error)
                continue
            labels.append(item.label)
    return images[: len(labels)], np.array(labels, np.int32)


def _listing(root: Path) -> tuple[list[str], list[str]]:
    """Relative paths of files, and of folders. Raises UserError."""
    if root.is_dir():
        entries = [(p.relative_to(root).as_posix(), p.is_dir()) for p in root.rglob("*")]
        return [n for n, d in entries if not d], [n for n, d in entries if d]
    if not root.exists():
        raise UserError(f"{root}: no such folder or zip.")
    try:
        with zipfile.ZipFile(root) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise UserError(f"{root}: expected a folder or a .zip of class folders.") from None
    return [n for n in names if not n.endswith("/")], [n[:-1] for n in names if n.endswith("/")]


def _refuse_empty(root: Path, folders: list[str], filled: set[str]) -> None:
    """Refuse a class folder without pictures: it is a mistake in the collection."""
    ancestors = {str(parent) for folder in filled for parent in PurePosixPath(folder).parents}
    for folder in sorted(folders):
        hidden = any(part.startswith((".", "__")) for part in PurePosixPath(folder).parts)
        if not hidden and folder not in filled and folder not in ancestors:
            below = any(other.startswith(f"{folder}/") for other in folders)
            if not below:
                raise UserError(f"{root}: the class folder {folder!r} has no pictures.")


def _named_split(parts: tuple[str, ...]) -> str | None:
    return _NAMED.get(parts[-3].lower()) if len(parts) > 2 else None
