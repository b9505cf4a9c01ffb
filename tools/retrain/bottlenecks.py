"""Features of pictures, cached on disk, since computing them takes most of the time."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from scai.errors import ScaiError
from tools.common.progress import Progress
from tools.datasets.class_folders import LabelledFile, Pictures, decode
from tools.network_files import export, runners
from tools.retrain.bases import Base

_CHUNK = 16  # pictures
VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "closer": lambda image: _closer(image),
}


def features(
    pictures: Pictures, items: Sequence[LabelledFile], base: Base, views: Sequence[str], cache: Path
) -> tuple[list[np.ndarray], np.ndarray]:
    """Features (n, d) float32 of each view, and labels (n,) int64; broken pictures are left out."""
    folder = cache / base.digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    run: Callable[[np.ndarray], np.ndarray] | None = None
    finished: list[dict[str, np.ndarray]] = []
    labels: list[int] = []
    progress = Progress(len(items), "pictures read")
    with pictures.reader() as reader:
        for first in range(0, len(items), _CHUNK):
            rows: list[dict[str, np.ndarray]] = []
            missing: list[_Missing] = []
            for item in items[first : first + _CHUNK]:
                try:
                    data = reader.read(item.path)
                    row, todo = _look_up(data, base.side, views, folder)
                except (ScaiError, OSError) as error:
                    pictures.broken[item.path] = str(error)
                    continue
                missing += todo
                rows.append(row)
                labels.append(item.label)
            if missing:
                if run is None:
                    run = _runner(base)
                    progress.begin(first)
                _compute(missing, base, run)
            finished += rows
            progress.tell(first + _CHUNK)
    if not finished:
        return [np.zeros((0, 1), np.float32) for _ in views], np.zeros(0, np.int64)
    return [np.stack([row[view] for row in finished]) for view in views], np.array(labels)


@dataclass(frozen=True)
class _Missing:
    """Features to compute: the picture's row, the view, its pixels, and the file for the cache."""

    row: dict[str, np.ndarray]
    view: str
    image: np.ndarray
    path: Path


def _look_up(
    data: bytes, side: int, views: Sequence[str], folder: Path
) -> tuple[dict[str, np.ndarray], list[_Missing]]:
    """The cached features of a picture by view, and those to compute. Raises ScaiError."""
    digest = hashlib.sha256(data).hexdigest()
    paths = {view: folder / f"{digest}.{view}.npy" for view in views}
    cached = {view: _cached(path) for view, path in paths.items()}
    row = {view: values for view, values in cached.items() if values is not None}
    if len(row) == len(views):
        return row, []
    image = decode(data, (side, side), "bilinear")
    return row, [_Missing(row, v, VIEWS[v](image), paths[v]) for v in views if v not in row]


def _compute(missing: list[_Missing], base: Base, run: Callable[[np.ndarray], np.ndarray]) -> None:
    """Compute features in one inference batch; enter them in their rows and in the cache."""
    pixels = np.stack([one.image for one in missing]).astype(np.float32)
    answers = run((pixels - np.float32(base.mean)) * np.float32(1 / base.std))
    for one, values in zip(missing, answers, strict=True):
        one.row[one.view] = values
        _store(one.path, values)


def _runner(base: Base) -> Callable[[np.ndarray], np.ndarray]:
    """Run the base by OpenVINO, which is faster, or by TensorFlow where OpenVINO cannot."""
    shape = (None, base.side, base.side, 3)
    with tempfile.TemporaryDirectory() as folder:
        try:
            graph = export.frozen_graph(base.function, shape, tf.float32, "input", ["features"])
            file = Path(folder) / "base.pb"
            file.write_bytes(graph)
            network = runners.openvino(file, threads=os.cpu_count() or 1)
            network(np.zeros((1, base.side, base.side, 3), np.float32))
            return lambda x: network(x)[0]
        except (RuntimeError, ValueError, ScaiError):
            compiled = tf.function(base.function)
            return lambda x: compiled(tf.constant(x)).numpy()


def _closer(image: np.ndarray) -> np.ndarray:
    """The middle of the picture, four fifths of each side, enlarged to its size."""
    height, width = image.shape[:2]
    top, left = height // 10, width // 10
    middle = np.ascontiguousarray(image[top : height - top, left : width - left])
    return np.asarray(cv2.resize(middle, (width, height)))


def _cached(path: Path) -> np.ndarray | None:
    try:
        return np.asarray(np.load(path))
    except (OSError, ValueError, EOFError):
        return None


def _store(path: Path, values: np.ndarray) -> None:
    """Write whole or not at all: a cache may be lost in a crash, but never hold half a file."""
    data = io.BytesIO()
    np.save(data, values)
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(data.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
