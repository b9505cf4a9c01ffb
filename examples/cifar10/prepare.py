"""Turn CIFAR-10's published archive into class folders of PNG pictures.

python -m examples.cifar10.prepare cifar-10-binary.tar.gz
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import click
import numpy as np

from examples.class_folders import whole, write
from tools.common.errors import UserError

# In the order of the labels 0 to 9, as the archive's batches.meta.txt has them.
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
PARTS = {
    "train": [f"data_batch_{number}.bin" for number in range(1, 6)],
    "test": ["test_batch.bin"],
}
SIDE = 32  # pixels
RECORD = 1 + 3 * SIDE * SIDE  # bytes: the label, then all red, all green and all blue values


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--out", type=Path, default=Path("cifar10"), show_default=True, help="Output folder.")
def main(archive: Path, out: Path) -> None:
    """Write the pictures of ARCHIVE, cifar-10-binary.tar.gz, to OUT/{train,test}/<class>/."""
    with whole(out) as folder:
        files = unpacked(archive)
        parts = {
            part: records(archive, b"".join(files[name] for name in names))
            for part, names in PARTS.items()
        }
        for part, (images, labels) in parts.items():
            write(folder / part, images, labels, CLASSES)
    click.echo(f"{out}: ready")


def unpacked(archive: Path) -> dict[str, bytes]:
    """The six files of pictures by name, read where they lie in the archive. Raises UserError."""
    wanted = [name for names in PARTS.values() for name in names]
    found = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = Path(member.name).name
                if name in wanted and (file := tar.extractfile(member)):
                    found[name] = file.read()
                    if len(found[name]) % RECORD:
                        raise UserError(f"{archive}: {name} is not made of whole pictures.")
    except FileNotFoundError:
        raise UserError(f"{archive}: no such file.") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError):
        raise UserError(f"{archive}: not a whole .tar.gz; was the download cut off?") from None
    if missing := [name for name in wanted if name not in found]:
        raise UserError(f"{archive}: no {missing[0]} in it; take the binary version of CIFAR-10.")
    return found


def records(archive: Path, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 32, 32, 3) and labels (n,) of whole records. Raises UserError."""
    table = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    labels = table[:, 0]
    if labels.size == 0 or labels.max() >= len(CLASSES):
        raise UserError(f"{archive}: expected labels from 0 to 9; is this CIFAR-10?")
    # Plane by plane in the file, colour by colour in a picture.
    return table[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


if __name__ == "__main__":
    main()
