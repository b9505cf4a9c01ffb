"""Handwritten digits from a zip: `mnist/{train,test}/<digit>/*.png`, 28x28 grey."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tools.common.errors import UserError

DIGITS = tuple("0123456789")
SIDE = 28  # pixels


@dataclass(frozen=True)
class DigitSet:
    """One part of the collection.

    images: (n, 28, 28) uint8, white ink (255) on black (0)
    labels: (n,) int64, 0..9
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or len(self.images) != len(self.labels):
            raise ValueError(
                f"expected (n, {SIDE}, {SIDE}) images and (n,) labels, "
                f"got {self.images.shape} and {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"DigitSet({len(self)} digits)"


def load(path: Path, part: str, limit: int | None = None) -> DigitSet:
    """Read one part ("train" or "test"); the same file always gives the same order.

    `limit` keeps at most that many digits of each class, for quick trials.
    """
    images: list[np.ndarray] = []
    labels: list[int] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for digit, names in enumerate(_names_by_digit(archive, part)):
                if not names:
                    raise UserError(f"{path}: no pictures in mnist/{part}/{digit}/.")
                for name in names[:limit]:
                    images.append(_decode(archive.read(name), name))
                    labels.append(digit)
    except FileNotFoundError as e:
        raise UserError(f"{path}: no such file; give --data the MNIST zip.") from e
    except (zipfile.BadZipFile, IsADirectoryError, PermissionError) as e:
        raise UserError(f"{path}: not a readable zip file ({e}).") from e
    return DigitSet(np.stack(images), np.array(labels, np.int64))


def _names_by_digit(archive: zipfile.ZipFile, part: str) -> list[list[str]]:
    pattern = re.compile(rf"(?:.*/)?{part}/(\d)/[^/]+\.png")
    by_digit: list[list[str]] = [[] for _ in DIGITS]
    for name in sorted(archive.namelist()):
        if match := pattern.fullmatch(name):
            by_digit[int(match.group(1))].append(name)
    return by_digit


def _decode(data: bytes, name: str) -> np.ndarray:
    image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIDE, SIDE):
        got = "no picture" if image is None else f"{image.shape[1]}x{image.shape[0]}"
        raise UserError(f"{name}: expected a {SIDE}x{SIDE} picture, got {got}.")
    return image
