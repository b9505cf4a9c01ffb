"""Turn MNIST's four published files into class folders of PNG pictures.

python -m examples.mnist.prepare *-ubyte.gz
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import click
import numpy as np

from examples.class_folders import whole, write
from tools.common.errors import UserError

CLASSES = "0123456789"
# How the names of the files begin. The test digits are called t10k, ten thousand of them.
PARTS = {"train": "train", "test": "t10k"}
BYTES = 0x08  # IDX's number for values of one byte


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=Path, default=Path("mnist"), show_default=True, help="Output folder.")
def main(files: tuple[Path, ...], out: Path) -> None:
    """Write the digits of FILES, the four *-ubyte.gz of MNIST, to OUT/{train,test}/<digit>/."""
    with whole(out) as folder:
        parts = {part: digits(files, start) for part, start in PARTS.items()}
        for part, (images, labels) in parts.items():
            write(folder / part, images, labels, CLASSES)
    click.echo(f"{out}: ready")


def digits(files: tuple[Path, ...], start: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 28, 28) and labels (n,) of the two files that begin so. Raises UserError."""
    images = array(pick(files, f"{start}-images"), dimensions=3)
    labels = array(pick(files, f"{start}-labels"), dimensions=1)
    if len(images) != len(labels):
        raise UserError(f"{start}: {len(images)} pictures, but {len(labels)} labels.")
    if labels.size == 0 or labels.max() > 9:
        raise UserError(f"{start}: expected labels from 0 to 9; is this MNIST?")
    return images, labels


def pick(files: tuple[Path, ...], start: str) -> Path:
    """The one file whose name begins so. Raises UserError."""
    found = [file for file in files if file.name.startswith(start)]
    if len(found) != 1:
        raise UserError(f"expected one file {start}-….gz, got {len(found)}.")
    return found[0]


def array(file: Path, dimensions: int) -> np.ndarray:
    """What an IDX file holds: two zeros, the type, the dimensions, their sizes, the values.

    Raises UserError.
    """
    try:
        data = gzip.decompress(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{file}: no such file.") from None
    except (EOFError, zlib.error, OSError):
        raise UserError(f"{file}: not a whole .gz; was the download cut off?") from None
    start = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, BYTES, dimensions]) or len(data) < start:
        raise UserError(f"{file}: not an IDX file of {dimensions} dimensions; is this MNIST's?")
    sizes = np.frombuffer(data[4:start], ">u4").tolist()
    if len(data) - start != math.prod(sizes):
        raise UserError(f"{file}: {len(data) - start} values, but its head promises {sizes}.")
    return np.frombuffer(data, np.uint8, offset=start).reshape(sizes)


if __name__ == "__main__":
    main()
