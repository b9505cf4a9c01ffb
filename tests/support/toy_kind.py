"""A third kind of recognition, in a folder of its own: whether a picture is dark or light."""

from __future__ import annotations

from pathlib import Path

NAME = "day_or_night"
_PROGRAM = '''
"""Day or night: by the mean level of a picture."""

import click
import numpy as np

from scai.recognition.loading import load_engine
from scai.recognition.recognizer import NONE, Recognizer
from scai.recognition.results import Classification
from workers._main import options, run, start

NAMES = np.array(["night", "day"])


class DayOrNight(Recognizer):
    """The engine is not asked: the level of the picture decides."""

    def prepare(self, image):
        level = int(image.mean())
        return np.full((32, 32, 3), level, np.uint8)

    def read(self, outputs, index, size, options=NONE):
        best = int(outputs[0][index].argmax())
        scores = np.sort(outputs[0][index])[::-1]
        return Classification(tuple(NAMES[[best, 1 - best]]), np.array([best, 1 - best]), scores)


def build(card, batch=0):
    return DayOrNight(card, load_engine(card, classes=2, batch=batch))


@click.command()
@options
def main(**flags):
    """Tell day from night."""
    run("day_or_night", build, flags)


if __name__ == "__main__":
    start(main)
'''
_KIND = """
title = "Day or night"
shape = "labels"
job = "daylight"
"""


def make_toy(folder: Path) -> Path:
    """Write the kind's three files into a new folder; returns it."""
    kinds = folder / "more kinds"
    kinds.mkdir()
    (kinds / f"{NAME}.py").write_text(_PROGRAM)
    (kinds / f"{NAME}.toml").write_text(_KIND)
    (kinds / f"{NAME}.config").write_text("[default]\nENGINE = fake\n")
    return kinds
