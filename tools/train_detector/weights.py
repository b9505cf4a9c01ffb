"""The weights of a detector in one file, to start other trainings from."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tools.common.errors import UserError
from tools.common.files import publish
from tools.train_detector import frozen_weights

FILE = "weights.npz"
GRAPH = "frozen_inference_graph.pb"
_NOT_CLASSES = 5  # outputs of the last layer that are not classes: a centre, and a box


def save(model: tf.keras.Model, classes: tuple[str, ...], path: Path) -> None:
    """Write the weights, float32, and the names of the classes; whole or not at all."""
    data = io.BytesIO()
    np.savez(data, *model.get_weights(), classes=json.dumps(classes))
    publish(path, data.getvalue())


def start(model: tf.keras.Model, classes: tuple[str, ...], path: Path) -> int:
    """Load the weights of an earlier training; return how many of `classes` it had.

    path: a file that `save` wrote, its folder, the checkpoint of a training, a frozen graph that
        this project exported, or the folder of an installed model
    In the last layer, the weights of classes with the same name are loaded; those of other classes
    keep their initial values. A checkpoint has no names, so the number of classes has to agree.
    Raises UserError.
    """
    own = model.get_weights()
    stored, names = _read(path, len(own))
    kernel = next(i for i in reversed(range(len(own))) if own[i].ndim == 4)  # of the last layer
    ends = (kernel, kernel + 1)
    fits = len(own) == len(stored) and all(
        a.shape[:-1] == b.shape[:-1] if i in ends else a.shape == b.shape
        for i, (a, b) in enumerate(zip(own, stored, strict=True))
    )
    if not fits:
        raise UserError(
            f"{path}: of another network; give the same --width as it was trained with."
        )
    if names is None:
        same = stored[kernel].shape[-1] == own[kernel].shape[-1]
        names = classes if same else ()
    pairs = [(i, i) for i in range(_NOT_CLASSES)]
    pairs += [
        (_NOT_CLASSES + i, _NOT_CLASSES + names.index(c))
        for i, c in enumerate(classes)
        if c in names
    ]
    for i in ends:
        for mine, theirs in pairs:
            own[i][..., mine] = stored[i][..., theirs]
    model.set_weights([own[i] if i in ends else s for i, s in enumerate(stored)])
    return len(pairs) - _NOT_CLASSES


def _read(path: Path, count: int) -> tuple[list[np.ndarray], tuple[str, ...] | None]:
    """The last `count` arrays, in a checkpoint the running mean; the classes if stored."""
    file = path / FILE if path.is_dir() else path
    if path.is_dir() and not file.exists() and (path / GRAPH).exists():
        file = path / GRAPH
    try:
        if file.suffix == ".pb":
            labels = file.with_name("labels.txt")
            classes = tuple(labels.read_text("utf-8").splitlines()) if labels.exists() else None
            return frozen_weights.read(file), classes
        with np.load(file) as stored:
            names = [name for name in stored.files if name.startswith("arr_")]
            named = "classes" in stored.files
            classes = tuple(json.loads(str(stored["classes"]))) if named else None
            return [stored[name] for name in names[-count:]], classes
    except FileNotFoundError:
        raise UserError(f"{file}: no such file.") from None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(f"{file}: expected weights that scai train-detector wrote.") from error
