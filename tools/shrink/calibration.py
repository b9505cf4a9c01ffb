"""The pictures that show a network's ranges, prepared as the worker prepares them."""

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
FEW = 20  # pictures; ranges seen on fewer are a gamble


@dataclass(frozen=True)
class Calibration:
    """Inputs (1, h, w, c) in the model's dtype; `broken`: name of a picture -> why it is not in."""

    inputs: Sequence[np.ndarray]
    names: tuple[str, ...]
    broken: dict[str, str]

    def samples(self) -> Iterator[np.ndarray]:
        """All inputs in order, with a progress bar on a terminal."""
        with bar(self.inputs, "calibrating") as shown:
            yield from shown


def bar(things: Sequence[T], label: str) -> ProgressBar[T]:
    """A progress bar with the time left, hidden where nobody looks."""
    hidden = not sys.stderr.isatty()
    return click.progressbar(things, label=label, file=sys.stderr, hidden=hidden, show_pos=True)


def read(files: Files, recognizer: Recognizer, most: int) -> Calibration:
    """At most `most` pictures, spread evenly over all. Raises UserError when none can be read."""
    names = [name for name in files.names if is_picture(name)]
    if not names:
        raise UserError(f"{files.path}: expected pictures to calibrate with, got none.")
    places = np.linspace(0, len(names) - 1, min(most, len(names))).astype(int)
    inputs: list[np.ndarray] = []
    used, broken = [], {}
    with bar([names[place] for place in places], "reading pictures") as shown:
        for name in shown:
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


def as_data(found: Calibration, kind: str, read: Callable[[str], bytes]) -> DataSet:
    """The same pictures to be answered by several models, without any truth."""
    samples = tuple(Sample(name, "") for name in found.names)
    return DataSet(kind, "", ("",), samples, read)
