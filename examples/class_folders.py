"""Pictures in class folders, `<folder>/{train,test}/<class>/*.png`: how to write and read them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from PIL import Image

from tools.common.errors import UserError


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder to fill, which is called `out` once everything is in it. Raises UserError.

    Whoever stops in between leaves no `out` that looks complete and lacks half of its pictures.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; remove it or give another --out.")
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(out)
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write(folder: Path, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    """One PNG a picture, into the folder of its class, numbered as they come.

    images: (n, height, width) grey or (n, height, width, 3) RGB, uint8
    labels: (n,), the place of each picture's class in `classes`
    """
    for name in classes:
        (folder / name).mkdir(parents=True)
    pairs = list(zip(images, labels, strict=True))
    with click.progressbar(pairs, label=f"{folder.name} pictures") as bar:
        for number, (image, label) in enumerate(bar):
            Image.fromarray(image).save(folder / classes[label] / f"{number:05}.png")


def read(folder: Path, mode: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All pictures of `<folder>/<class>/*`, shuffled; their labels; the classes. Raises UserError.

    mode: "RGB", or "L" for grey; the pictures are (n, height, width) + (3,) or (1,), uint8
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; prepare.py makes it.")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(file, classes.index(name)) for name in classes for file in (folder / name).iterdir()]
    if len(classes) < 2 or not files:
        raise UserError(f"{folder}: expected class folders with pictures.")
    # Learning goes by small handfuls of pictures, and each should hold all classes.
    files = [files[place] for place in np.random.default_rng(0).permutation(len(files))]
    images = []
    with click.progressbar(files, label=f"reading {folder}") as bar:
        for file, _ in bar:
            with Image.open(file) as image:
                images.append(np.asarray(image.convert(mode)))
    pixels = np.stack(images)
    labels = np.array([label for _, label in files])
    return pixels.reshape(*pixels.shape[:3], -1), labels, classes
