"""Records the system calls by which this process changes a folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from support.helpers import absolute
from support.power_cut.changes import (
    Answer,
    Bind,
    Change,
    Cut,
    Move,
    Sync,
    Tree,
    Unbind,
    Write,
)

_CALLS = (
    *("open", "write", "ftruncate", "close", "fsync", "fdatasync"),
    *("rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir"),
)


class Recorder(AbstractContextManager["Recorder"]):
    """During the block, `changes` grows by what is done below `root`; `start` is how it was before.

    The functions of the module `os` are replaced meanwhile, so what is written through `open` of
    Python is not seen. SCAI writes nothing that it has promised in that way.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._lock = threading.RLock()
        self._patch = pytest.MonkeyPatch()
        self._real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _CALLS}
        # Descriptor -> node.
        self._nodes: dict[int, int] = {}
        self._next = 1
        self.changes: list[Change] = []
        self.start = Tree()
        self._read(self._root, 0, {})
        self._tree = self.start.copy()

    def _read(self, path: str, node: int, seen: dict[int, int]) -> None:
        for entry in os.scandir(path):
            number = seen.setdefault(entry.inode(), self._next)
            self._next = max(self._next, number + 1)
            self.start.folders[node][entry.name] = number
            if entry.is_dir(follow_symlinks=False):
                self.start.folders[number] = {}
                self._read(entry.path, number, seen)
            else:
                self.start.files[number] = Path(entry.path).read_bytes()

    def answer(self, text: str) -> None:
        """Note that somebody outside was told `text`."""
        with self._lock:
            self.changes.append(Answer(text))

    def __enter__(self) -> Recorder:
        for name in _CALLS:
            self._patch.setattr(os, name, self._wrap(name, self._real[name]))
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        note = getattr(self, f"_{'rename' if name == 'replace' else name}", None)
        note = {"remove": self._unlink, "fdatasync": self._fsync, "rmdir": self._unlink}.get(
            name, note
        )
        assert note is not None

        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                result = real(*arguments, **named)
                note(result, *arguments, **named)
                return result

        return call

    def _find(self, path: Any, dir_fd: int | None = None) -> tuple[int, str] | None:
        """The node of a path's directory, and its name there; None outside of the root."""
        text = os.fsdecode(path)
        if dir_fd is not None and not text.startswith("/"):
            return (self._nodes[dir_fd], text) if dir_fd in self._nodes else None
        text = absolute(text)
        if not text.startswith(self._root + "/"):
            return None
        *folders, name = text[len(self._root) + 1 :].split("/")
        node = 0
        for folder in folders:
            node = self._tree.folders[node][folder]
        return node, name

    def _node(self, path: Any, dir_fd: int | None = None) -> int | None:
        if absolute(os.fsdecode(path)) == self._root:
            return 0
        found = self._find(path, dir_fd)
        return None if found is None else self._tree.folders[found[0]].get(found[1])

    def _add(self, change: Change) -> None:
        self.changes.append(change)
        if isinstance(change, Bind | Unbind | Move):
            self._tree.rename(change)

    def _make(self, path: Any, dir_fd: int | None, folder: bool) -> int | None:
        found = self._find(path, dir_fd)
        if found is None:
            return None
        node, self._next = self._next, self._next + 1
        if folder:
            self._tree.folders[node] = {}
        self._add(Bind(*found, node, folder))
        if not folder:
            self._add(Cut(node, 0))
        return node

    def _open(
        self, descriptor: int, path: Any, flags: int, mode: int = 0, *, dir_fd: int | None = None
    ) -> None:
        node = self._node(path, dir_fd)
        if node is None and flags & os.O_CREAT:
            node = self._make(path, dir_fd, folder=False)
        elif node is not None and flags & os.O_TRUNC:
            self._add(Cut(node, 0))
        if node is not None:
            self._nodes[descriptor] = node

    def _mkdir(self, _: None, path: Any, mode: int = 0, *, dir_fd: int | None = None) -> None:
        self._make(path, dir_fd, folder=True)

    def _link(self, _: None, source: Any, target: Any, **__: Any) -> None:
        node, found = self._node(source), self._find(target)
        if node is not None and found is not None:
            self._add(Bind(*found, node))

    def _unlink(self, _: None, path: Any, *, dir_fd: int | None = None) -> None:
        if found := self._find(path, dir_fd):
            self._add(Unbind(*found))

    def _rename(self, _: None, source: Any, target: Any, **__: Any) -> None:
        old, new = self._find(source), self._find(target)
        if old is None or new is None:
            return
        nodes = self._tree.folders[old[0]].get(old[1]), self._tree.folders[new[0]].get(new[1])
        if nodes[0] is not None and nodes[0] != nodes[1]:  # rename(2) of two names of one file
            self._add(Move(*old, *new))

    def _write(self, count: int, descriptor: int, data: Any) -> None:
        if descriptor in self._nodes:
            node = self._nodes[descriptor]
            offset = os.lseek(descriptor, 0, os.SEEK_CUR) - count
            self._add(Write(node, offset, bytes(data[:count])))

    def _ftruncate(self, _: None, descriptor: int, size: int) -> None:
        if descriptor in self._nodes:
            self._add(Cut(self._nodes[descriptor], size))

    def _fsync(self, _: None, descriptor: int) -> None:
        if descriptor in self._nodes:
            self._add(Sync(self._nodes[descriptor]))

    def _close(self, _: None, descriptor: int) -> None:
        self._nodes.pop(descriptor, None)
