"""What a program does to files and directories, as values, and the tree of files they change."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Bind:
    """A directory gets a name for a file or, with `is_folder`, for a new directory."""

    folder: int
    name: str
    node: int
    is_folder: bool = False

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder,)


@dataclass(frozen=True)
class Unbind:
    """A directory loses a name."""

    folder: int
    name: str

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder,)


@dataclass(frozen=True)
class Move:
    """A name moves, within one directory or into another, and replaces what had the new name."""

    folder: int
    name: str
    to_folder: int
    to_name: str

    @property
    def folders(self) -> tuple[int, ...]:
        return (self.folder, self.to_folder)


@dataclass(frozen=True)
class Write:
    """Bytes of a file from an offset on."""

    node: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Cut:
    """A file is cut to a size in bytes."""

    node: int
    size: int


@dataclass(frozen=True)
class Sync:
    """An fsync of a file or directory has returned."""

    node: int


@dataclass(frozen=True)
class Answer:
    """Somebody outside was told something: from here on it is a promise."""

    text: str


Naming = Bind | Unbind | Move
Change = Naming | Write | Cut | Sync | Answer


@dataclass
class Tree:
    """Directories (names to nodes) and files (bytes) by the number of their node; 0 is the root."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    files: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> Tree:
        return Tree({n: dict(names) for n, names in self.folders.items()}, dict(self.files))

    def rename(self, change: Naming) -> None:
        """Carry out a change of names. What it needs may be missing in a state after a cut."""
        match change:
            case Bind(folder, name, node, is_folder):
                self.folders.setdefault(folder, {})[name] = node
                if is_folder:
                    self.folders.setdefault(node, {})
            case Unbind(folder, name):
                self.folders.setdefault(folder, {}).pop(name, None)
            case Move(folder, name, to_folder, to_name):
                node = self.folders.setdefault(folder, {}).pop(name, None)
                if node is not None:
                    self.folders.setdefault(to_folder, {})[to_name] = node

    def build(self, root: Path, node: int = 0) -> None:
        """Make the tree on a real file system; `root` does not exist yet."""
        self._build(os.fspath(root), node, {})

    def _build(self, path: str, node: int, made: dict[int, str]) -> None:
        if node in self.folders:
            os.mkdir(path, 0o750)
            for name, child in self.folders[node].items():
                self._build(f"{path}/{name}", child, made)
        elif node in made:
            os.link(made[node], path)
        else:
            with open(path, "wb") as file:
                file.write(self.files.get(node, b""))
            made[node] = path

    @property
    def print(self) -> object:
        """A value that is equal for equal trees, seen from the root."""
        return self._print(0)

    def _print(self, node: int) -> object:
        if node not in self.folders:
            return self.files.get(node, b"")
        names = self.folders[node].items()
        return tuple(sorted((name, self._print(child)) for name, child in names))


def write(content: bytes, change: Write | Cut) -> bytes:
    """The content of a file after a write or a cut."""
    if isinstance(change, Cut):
        return content[: change.size].ljust(change.size, b"\0")
    head = content[: change.offset].ljust(change.offset, b"\0")
    return head + change.data + content[change.offset + len(change.data) :]
