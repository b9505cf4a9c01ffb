"""The state of a training on disk, so that it can be stopped and gone on with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from tools.training.diary import Diary


class Checkpoint:
    """Step, weights, their running mean and the optimizer's state in one .npz file.

    legs: the arguments of each training so far, for the card: one that was resumed with more
        steps than it was begun with is repeated only by the same trainings in turn
    seconds: of learning so far
    diary: what was seen on the way
    """

    def __init__(self, path: Path, variables: list[tf.Variable]) -> None:
        self.path = path
        self.legs: list[str] = []
        self.seconds = 0.0
        self.diary = Diary()
        self._variables = variables

    def save(self, step: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        facts = {"step": step, "legs": self.legs, "seconds": self.seconds}
        facts["diary"] = json.dumps(asdict(self.diary))
        try:
            with part.open("wb") as file:
                np.savez(file, *[v.numpy() for v in self._variables], **facts)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)

    def restore(self) -> int:
        """The step to go on with; 0 where there is no checkpoint."""
        if not self.path.exists():
            return 0
        with np.load(self.path) as saved:
            arrays = [saved[name] for name in saved.files if name.startswith("arr_")]
            shapes = [tuple(variable.shape) for variable in self._variables]
            if [array.shape for array in arrays] != shapes:
                raise click.ClickException(f"{self.path} is of another network: delete it.")
            for array, variable in zip(arrays, self._variables, strict=True):
                variable.assign(array)
            self.legs = [str(leg) for leg in saved["legs"]]
            if "diary" in saved.files:
                self.seconds = float(saved["seconds"])
                self.diary = Diary(**json.loads(str(saved["diary"])))
            return int(saved["step"])


def diary_of(path: Path) -> Diary:
    """What the training of a checkpoint saw on the way. Raises OSError."""
    with np.load(path) as saved:
        return Diary(**json.loads(str(saved["diary"])))
