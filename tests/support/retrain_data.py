"""Labelled pictures, and the command that trains on them."""

from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

from support.helpers import picture
from tools.retrain import command


def fill(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 4) -> Path:
    """Class folders of `count` small pictures each."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            (folder / name / f"{i}.jpg").write_bytes(picture((8, 8)))
    return folder


def run_command(*arguments: object) -> tuple[int, str]:
    """Exit code of `scai retrain` with these flags, and its output."""
    result = CliRunner().invoke(command.main, [str(a) for a in arguments])
    return result.exit_code, result.output


def shapes(folder: Path, count: int = 150) -> Path:
    """Class folders of noisy pictures (32, 32) with a red circle or a blue square on them."""
    rng = np.random.default_rng(0)
    for name, colour in (("circle", (40, 40, 220)), ("square", (220, 60, 40))):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            image = rng.integers(90, 160, (32, 32, 3), np.uint8)
            at = tuple(int(n) for n in rng.integers(11, 21, 2))
            if name == "circle":
                cv2.circle(image, at, 8, colour, -1)
            else:
                cv2.rectangle(image, (at[0] - 7, at[1] - 7), (at[0] + 7, at[1] + 7), colour, -1)
            cv2.imwrite(str(folder / name / f"{i}.png"), image)
    return folder
