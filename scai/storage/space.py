"""How much room a file system has, and how much of it is kept free."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

# A small disk keeps this share of itself free at most.
_FLOOR_SHARE = 0.05


@dataclass(frozen=True)
class Room:
    """Bytes and inodes; the number of inodes is infinite where the file system sets none."""

    bytes: float = 0
    inodes: float = 0

    def __add__(self, other: Room) -> Room:
        return Room(self.bytes + other.bytes, self.inodes + other.inodes)

    def __sub__(self, other: Room) -> Room:
        return Room(self.bytes - other.bytes, self.inodes - other.inodes)

    def __mul__(self, times: float) -> Room:
        return Room(self.bytes * times, self.inodes * times)


@dataclass(frozen=True)
class Space:
    """A file system: its free room for users without privileges, and all it has."""

    free: Room
    total: Room

    def floor(self, least: Room) -> Room:
        """What is to stay free: `least`, but at most a twentieth of a small file system."""
        inodes = self.total.inodes * _FLOOR_SHARE if math.isfinite(self.total.inodes) else 0
        return Room(min(least.bytes, self.total.bytes * _FLOOR_SHARE), min(least.inodes, inodes))


def space_of(folder: Path) -> Space:
    """The file system of a folder. Raises OSError."""
    facts = os.statvfs(folder)
    # btrfs and others make inodes as they need them, and say 0.
    limited = facts.f_files > 0
    return Space(
        Room(facts.f_bavail * facts.f_frsize, facts.f_favail if limited else math.inf),
        Room(facts.f_blocks * facts.f_frsize, facts.f_files if limited else math.inf),
    )
