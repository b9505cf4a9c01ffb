"""Features of pictures, kept on disk: seeing is slow, and the same picture looks the same again."""

import hashlib
import io
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from scai.errors import ScaiError
from tools.common.progress import Progress
from tools.datasets.class_folders import Item, Pictures, decode
from tools.network_files import export, runners
from tools.retrain.bases import Base

_CHUNK = 16  # pictures
VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "closer": lambda image: _closer(image),
}


def features(
    pictures: Pictures, items: Sequence[Item], base: Base, views: Sequence[str], cache: Path
) -> tuple[list[np.ndarray], np.ndarray]:
    """For each view (n, d) float32, and labels (n,) int64; broken pictures are left out."""
    folder = cache / base.digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    see: Callable[[np.ndarray], np.ndarray] | None = None
    found: list[list[np.ndarray]] = []
    labels: list[int] = []
    progress = Progress(len(items), "pictures seen")
    with pictures.reader() as reader:
        for first in range(0, len(items), _CHUNK):
            rows: list[list[np.ndarray | None]] = []
            todo: list[tuple[int, int, Path, np.ndarray]] = []
            for item in items[first : first + _CHUNK]:
                try:
                    data = reader.read(item.path)
                    kept = [folder / f"{hashlib.sha256(data).hexdigest()}.{v}.npy" for v in views]
                    row = [_kept(path) for path in kept]
                    missing = [i for i, values in enumerate(row) if values is None]
                    image = decode(data, (base.side, base.side), "bilinear") if missing else None
                except (ScaiError, OSError) as error:
                    pictures.broken[item.path] = str(error)
                    continue
                todo += [(len(rows), i, kept[i], VIEWS[views[i]](image)) for i in missing]
                rows.append(row)
                labels.append(item.label)
            if todo:
                if see is None:
                    see = _runner(base)
                    progress.begin(first)
                stack = np.stack([t[3] for t in todo]).astype(np.float32)
                answers = see((stack - np.float32(base.mean)) * np.float32(1 / base.std))
                for (row_number, view, path, _), values in zip(todo, answers, strict=True):
                    rows[row_number][view] = values
                    _keep(path, values)
            found += rows  # type: ignore[arg-type]
            progress.tell(first + _CHUNK)
    if not found:
        return [np.zeros((0, 1), np.float32) for _ in views], np.zeros(0, np.int64)
    return [np.stack([row[i] for row in found]) for i in range(len(views))], np.array(labels)


def _runner(base: Base) -> Callable[[np.ndarray], np.ndarray]:
    """OpenVINO sees faster than what taught it; what it does not know, TensorFlow does."""
    shape = (None, base.side, base.side, 3)
    with tempfile.TemporaryDirectory() as folder:
        try:
            graph = export.frozen_graph(base.function, shape, tf.float32, "input", ["seen"])
            file = Path(folder) / "base.pb"
            file.write_bytes(graph)
            run = runners.openvino(file, threads=os.cpu_count() or 1)
            run(np.zeros((1, base.side, base.side, 3), np.float32))
            return lambda x: run(x)[0]
        except (RuntimeError, ValueError, ScaiError):
            compiled = tf.function(base.function)
            return lambda x: compiled(tf.constant(x)).numpy()


def _closer(image: np.ndarray) -> np.ndarray:
    """The middle, four fifths of each side."""
    height, width = image.shape[:2]
    top, left = height // 10, width // 10
    middle = np.ascontiguousarray(image[top : height - top, left : width - left])
    return cv2.resize(middle, (width, height))


def _kept(path: Path) -> np.ndarray | None:
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError):
        return None


def _keep(path: Path, values: np.ndarray) -> None:
    """A cache need not survive a crash, but must never hold half a picture."""
    data = io.BytesIO()
    np.save(data, values)
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(data.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
