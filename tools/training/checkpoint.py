"""The state of a training on disk, so that it can be stopped and resumed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import numpy as np

from tools.common.files import publish
from tools.training.curve import LearningCurve


@dataclass
class State:
    """The progress of a training.

    step: steps made. seconds: learning time so far
    runs: the options of each run so far, for the card: a training that was extended when it was
        resumed can be repeated only by the same runs in the same order
    """

    step: int = 0
    seconds: float = 0.0
    runs: list[str] = field(default_factory=list)
    curve: LearningCurve = field(default_factory=LearningCurve)

    def begin_run(self, options: str) -> None:
        """Add a run with these options, unless the last run had the same."""
        if self.runs[-1:] != [options]:
            self.runs.append(options)
            self.curve.earlier = len(self.curve.evaluations)


def save(path: Path, state: State, arrays: Sequence[np.ndarray]) -> None:
    """Write state and weights to one .npz, whole or not at all. Raises OSError."""
    data = io.BytesIO()
    np.savez(data, *arrays, state=json.dumps(asdict(state)))
    publish(path, data.getvalue())


def load(path: Path) -> tuple[State, list[np.ndarray]]:
    """State and weights of a checkpoint. Raises ClickException where it is none."""
    try:
        with np.load(path) as saved:
            fields = json.loads(str(saved["state"]))
            arrays = [saved[name] for name in saved.files if name.startswith("arr_")]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise click.ClickException(
            f"{path}: expected a checkpoint of this version; delete it to start anew."
        ) from error
    return State(**{**fields, "curve": LearningCurve(**fields["curve"])}), arrays
