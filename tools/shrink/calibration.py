"""Pictures to calibrate a quantised network with, prepared as the worker prepares them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click
import numpy as np

from scai.errors import BadImage
from scai.pictures.pixels import decode
from scai.recognition.recognizer import Recognizer
from tools.common.errors import UserError
from tools.datasets.files import Files, is_picture
from tools.datasets.samples import DataSet, Sample

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

T = TypeVar("T")
FEW = 20  # pictures; ranges measured on fewer are unreliable


@dataclass(frozen=True)
class Calibration:
    """Inputs (1, h, w, c) in the model's dtype; `broken`: unreadable picture -> reason."""

    inputs: Sequence[np.ndarray]
    names: tuple[str, ...]
    broken: dict[str, str]

    def samples(self) -> Iterator[np.ndarray]:
        """All inputs in order, with a progress bar on a terminal."""
        with bar(self.inputs, "calibrating") as inputs:
            yield from inputs


def bar(things: Sequence[T], label: str) -> ProgressBar[T]:
    """Make a progress bar with the time left, hidden unless stderr is a terminal."""
    hidden = not sys.stderr.isatty()
    return click.progressbar(things, label=label, file=sys.stderr, hidden=hidden, show_pos=True)


def read(files: Files, recognizer: Recognizer, limit: int) -> Calibration:
    """Read at most `limit` pictures, spread evenly. Raises UserError when none can be read."""
    names = [name for name in files.names if is_picture(name)]
    if not names:
        raise UserError(f"{files.path}: expected pictures to calibrate with, got none.")
    places = np.linspace(0, len(names) - 1, min(limit, len(names))).astype(int)
    inputs: list[np.ndarray] = []
    used, broken = [], {}
    with bar([names[place] for place in places], "reading pictures") as progress:
        for name in progress:
            try:
                inputs.append(recognizer.prepare(decode(files.read(name)))[None])
                used.append(name)
            except BadImage as error:
                broken[name] = error.message
            except OSError as error:
                broken[name] = error.strerror or str(error)
    if not inputs:
        first = next(iter(broken.values()))
        raise UserError(f"{files.path}: none of {len(broken)} pictures could be read: {first}.")
    return Calibration(inputs, tuple(used), broken)


def as_data(pictures: Calibration, kind: str, read: Callable[[str], bytes]) -> DataSet:
    """Return the same pictures as a data set without labels, to compare several models on."""
    samples = tuple(Sample(name, "") for name in pictures.names)
    return DataSet(kind, "", ("",), samples, read)
