"""The files of a data set, in a folder or a zip. Nothing is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from functools import cached_property
from pathlib import Path, PurePosixPath

from scai.pictures.header import SUFFIXES
from tools.common.errors import UserError


class Files:
    """The files of a folder or a zip by their names with slashes; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            files = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
            self.names = sorted(file.as_posix() for file in files)
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file or folder.") from None
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{path}: expected a folder, a .zip or COCO's .json.") from error
        self.names = sorted(n for n in self._zip.namelist() if not n.endswith("/"))

    def read(self, name: str) -> bytes:
        """Read one file. Raises OSError."""
        if self._zip is None:
            return (self.path / name).read_bytes()
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
            raise OSError(f"{name}: cannot be read from the zip") from error

    @cached_property
    def by_last_part(self) -> dict[str, list[str]]:
        """The files by the last part of their names."""
        names: dict[str, list[str]] = {}
        for name in self.names:
            names.setdefault(PurePosixPath(name).name, []).append(name)
        return names

    def close(self) -> None:
        """Close the zip."""
        if self._zip is not None:
            self._zip.close()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_files(data: Path, images: Path | None = None) -> Files:
    """Open a folder or zip, or the folder of a COCO .json. Raises UserError.

    images: folder of the pictures of a .json; by default its folder, or that of `annotations`
    """
    if data.suffix.lower() != ".json":
        if images is not None:
            raise UserError("--images goes with a COCO .json.")
        return Files(data)
    near = data.parent.parent if data.parent.name == "annotations" else data.parent
    return Files(images or near)


def is_picture(name: str) -> bool:
    """Tell whether a file has the name of a picture that SCAI reads."""
    # macOS adds files about files to its zips.
    return name.lower().endswith(SUFFIXES) and not name.startswith("__MACOSX/")
