"""A detector's weights in one file, to go on from: for other pictures, or for other classes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tools.common.errors import UserError
from tools.common.files import publish
from tools.train_detector import frozen

FILE = "weights.npz"
GRAPH = "frozen_inference_graph.pb"
_TOLD = 5  # numbers of the last layer that are not classes: a middle, and a box


def save(model: tf.keras.Model, classes: tuple[str, ...], path: Path) -> None:
    """Write the weights, float32, and the names of the classes; whole or not at all."""
    data = io.BytesIO()
    np.savez(data, *model.get_weights(), classes=json.dumps(classes))
    publish(path, data.getvalue())


def start(model: tf.keras.Model, classes: tuple[str, ...], path: Path) -> int:
    """Give `model` the weights of an earlier training; how many of its classes that one knew.

    path: what `save` wrote, the folder it is in, the checkpoint of a training, or the frozen graph
        that it exported, also as the folder of an installed model
    What the last layer says of a class is taken over where the names agree, else it starts anew;
    of a checkpoint, which has no names, where there are as many. Raises UserError.
    """
    own = model.get_weights()
    stored, known = _read(path, len(own))
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
    if known is None:
        same = stored[kernel].shape[-1] == own[kernel].shape[-1]
        known = classes if same else ()
    pairs = [(i, i) for i in range(_TOLD)]
    pairs += [(_TOLD + i, _TOLD + known.index(c)) for i, c in enumerate(classes) if c in known]
    for i in ends:
        for mine, theirs in pairs:
            own[i][..., mine] = stored[i][..., theirs]
    model.set_weights([own[i] if i in ends else s for i, s in enumerate(stored)])
    return len(pairs) - _TOLD


def _read(path: Path, count: int) -> tuple[list[np.ndarray], tuple[str, ...] | None]:
    """The last `count` arrays, which are the running mean in a checkpoint; the classes if told."""
    file = path / FILE if path.is_dir() else path
    if path.is_dir() and not file.exists() and (path / GRAPH).exists():
        file = path / GRAPH
    try:
        if file.suffix == ".pb":
            names = file.with_name("labels.txt")
            known = tuple(names.read_text("utf-8").splitlines()) if names.exists() else None
            return frozen.read(file), known
        with np.load(file) as stored:
            names = [name for name in stored.files if name.startswith("arr_")]
            told = "classes" in stored.files
            classes = tuple(json.loads(str(stored["classes"]))) if told else None
            return [stored[name] for name in names[-count:]], classes
    except FileNotFoundError:
        raise UserError(f"{file}: no such file.") from None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(f"{file}: expected weights that scai train-detector wrote.") from error
