"""Every state of the disk that a power cut may leave behind."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from support.power_cut.changes import (
    Answer,
    Bind,
    Change,
    Cut,
    Move,
    Naming,
    Sync,
    Tree,
    Unbind,
    Write,
    write,
)

# More ways to lose names than this after one cut are sampled; no operation of SCAI has so many.
_MOST_WAYS = 3000


@dataclass(frozen=True)
class AfterCut:
    """The disk after a power cut, the changes before it, and what was answered by then."""

    tree: Tree
    at: int
    answers: tuple[str, ...]


def states(start: Tree, changes: Sequence[Change]) -> Iterator[AfterCut]:
    """Every different state after a cut before, between and after the changes.

    Everything in `start` is durable.
    """
    disk = _Disk(start)
    seen: set[object] = set()
    for at in range(len(changes) + 1):
        for tree in disk.losses():
            key = tree.print, tuple(disk.answers)
            if key not in seen:
                seen.add(key)
                yield AfterCut(tree, at, tuple(disk.answers))
        if at < len(changes):
            disk.apply(changes[at])


class _Disk:
    """What is durable, and what happened since."""

    def __init__(self, start: Tree) -> None:
        self._durable = start.copy()
        # Content in memory and on the disk, of files that were written.
        self._contents = dict(start.files)
        self._pending: list[Naming] = []
        self.answers: list[str] = []

    def apply(self, change: Change) -> None:
        match change:
            case Bind() | Unbind() | Move():
                self._pending.append(change)
            case Write(node) | Cut(node):
                self._contents[node] = write(self._contents.get(node, b""), change)
                self._durable.files.setdefault(node, b"")
            case Sync(node):
                self._sync(node)
            case Answer(text):
                self.answers.append(text)

    def _sync(self, node: int) -> None:
        if node in self._contents:
            self._durable.files[node] = self._contents[node]
            return
        durable = _closure(
            {n for n, c in enumerate(self._pending) if node in c.folders}, self._pending
        )
        for number in sorted(durable):
            self._durable.rename(self._pending[number])
        self._pending = [c for n, c in enumerate(self._pending) if n not in durable]

    def losses(self) -> Iterator[Tree]:
        """Each way to keep or lose what no fsync has made durable."""
        dirty = [n for n, data in self._contents.items() if self._durable.files.get(n) != data]
        for kept in _kept(self._pending):
            named = self._durable.copy()
            for number in kept:
                named.rename(self._pending[number])
            for share in (0.0, 0.5, 1.0) if dirty else (1.0,):
                tree = named.copy()
                for node in dirty:
                    tree.files[node] = _torn(
                        self._durable.files.get(node, b""), self._contents[node], share
                    )
                yield tree


def _torn(old: bytes, new: bytes, share: float) -> bytes:
    """A file of which this share of the new bytes has reached the disk."""
    if share == 1.0:
        return new
    at = int(len(new) * share)
    return new[:at] + old[at:] if share else old


def _kept(pending: Sequence[Naming]) -> list[tuple[int, ...]]:
    """The sets of changes that may be on the disk, each with all earlier ones of its folders."""
    ways: list[tuple[int, ...]] = [()]
    for number, change in enumerate(pending):
        before = {n for n in range(number) if set(pending[n].folders) & set(change.folders)}
        ways += [(*way, number) for way in ways if before <= set(way)]
        if len(ways) > _MOST_WAYS:
            ways = random.Random(number).sample(ways, _MOST_WAYS // 2)
    return ways


def _closure(durable: set[int], pending: Sequence[Naming]) -> set[int]:
    """These changes with all that must be durable before them."""
    for number in range(len(pending) - 1, -1, -1):
        if number in durable:
            folders = set(pending[number].folders)
            durable |= {n for n in range(number) if folders & set(pending[n].folders)}
    return durable
