"""Pretrained networks that turn pictures into features.

Each kind of file becomes the same thing: a TensorFlow function from pixels to features, and the
mean and deviation that scale the pixels first.
"""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tools.common.errors import UserError
from tools.retrain import mobilenet_tflite, stage_features

Function = Callable[[tf.Tensor], tf.Tensor]
# Mean and deviation of the pixels for networks of keras.applications, by the beginning of their
# names. Other networks expect the colours in another order, which no card can state.
_RANGES = {
    "EfficientNet": (0.0, 1.0),
    "MobileNetV3": (0.0, 1.0),
    "MobileNet": (127.5, 127.5),
    "InceptionV3": (127.5, 127.5),
    "InceptionResNetV2": (127.5, 127.5),
    "Xception": (127.5, 127.5),
    "NASNet": (127.5, 127.5),
    "ResNet50V2": (127.5, 127.5),
    "ResNet101V2": (127.5, 127.5),
    "ResNet152V2": (127.5, 127.5),
    "ConvNeXt": (0.0, 1.0),
}
_SIDE = 224  # pixels, for networks that take any size
# Widths in which MobileNets are published; a file of weights fits one of them.
_WIDTHS = (1.0, 0.75, 0.5, 0.25, 0.35, 1.3, 1.4)


@dataclass(frozen=True)
class Base:
    """A feature extractor.

    side: pixels. digest: of everything that decides the features
    function: (b, side, side, 3) float32 (pixel - mean) / std -> (b, d) float32
    model: the same as a Keras model, where it is one
    last: how many of the d features come from the network's last layer; they are the first ones,
        the others come from earlier stages; 0: all of them
    end: the Keras model of the last layer's features alone, if there are others
    """

    name: str
    digest: str
    side: int
    mean: float
    std: float
    function: Function
    model: tf.keras.Model | None = None
    last: int = 0
    end: tf.keras.Model | None = None


def find(name: str, layer: str, weights: Path | None, side: int, mean: float, std: float) -> Base:
    """Find the base that --base and its companions name. Raises UserError."""
    path = Path(name)
    if not path.exists():
        if path.suffix or "/" in name:
            raise UserError(f"--base {name}: no such file or folder.")
        return _application(name, weights, side)
    digest = _digest(path, f"{layer} {side} {mean} {std}")
    try:
        if path.suffix == ".tflite":
            return _tflite(path, digest, side, mean, std)
        if path.suffix == ".pb":
            function, own = _frozen(path, layer)
        elif path.is_dir():
            function, own = _saved_model(path)
        else:
            raise UserError(f"--base {name}: expected a .tflite, a .pb or a SavedModel folder.")
        if side and own and side != own:
            raise UserError(
                f"--image_size {side}: {path.name} takes pictures of {own} pixels only."
            )
        base = Base(path.name, digest, side or own or _SIDE, mean, std, function)
        _check(base)
    except (ValueError, KeyError, OSError, RuntimeError, tf.errors.OpError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"--base {name}: cannot be read: {why[0]}") from error
    return base


def _check(base: Base) -> None:
    """Check that two pictures give two rows of features. Raises ValueError."""
    features = base.function(tf.zeros((2, base.side, base.side, 3)))
    if len(features.shape) != 2 or features.shape[0] != 2:
        raise ValueError(f"expected features (2, n) of two pictures, got {tuple(features.shape)}")


def _digest(path: Path, rest: str) -> str:
    """SHA-256 of the content and of whatever else decides the features."""
    sha = hashlib.sha256(rest.encode())
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        sha.update(file.read_bytes())
    return sha.hexdigest()


def _tflite(path: Path, digest: str, side: int, mean: float, std: float) -> Base:
    from ai_edge_litert.interpreter import Interpreter

    source = Interpreter(model_path=str(path)).get_input_details()[0]
    scale, zero = source["quantization"]
    if scale and source["dtype"] == np.uint8:
        mean, std = float(zero), 1 / scale
    own = int(source["shape"][1])
    model = mobilenet_tflite.rebuild(path, side)
    if model is None:
        raise UserError(
            f"--base {path}: only a chain of convolutions such as MobileNet v1 can be read out of "
            "a .tflite; give this network as a .pb, a SavedModel or by its Keras name."
        )
    return _keras(path.name, digest, side or own, mean, std, model)


def _frozen(path: Path, layer: str) -> tuple[Function, int | None]:
    try:
        definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError("it is no graph of TensorFlow") from error
    entry = next((n for n in definition.node if n.op == "Placeholder"), None)
    if entry is None:
        raise ValueError("it has no input (Placeholder)")
    if not layer:
        raise UserError(
            f"--base {path}: expected --base_layer with the operation that gives the features; "
            f"`scai list-ops --all {path}` lists them."
        )
    if layer not in {n.name for n in definition.node}:
        raise UserError(f"--base_layer {layer!r}: no such operation in {path.name}.")
    if entry.attr["shape"].shape.dim:  # many graphs were frozen with batch 1
        entry.attr["shape"].shape.dim[0].size = -1
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.compat.v1.import_graph_def(definition, name=""), []
    )
    pruned = wrapped.prune(f"{entry.name}:0", f"{layer}:0")
    return lambda x: _flat(pruned(x)), _fixed_side(pruned.inputs[0].shape)


def _saved_model(path: Path) -> tuple[Function, int | None]:
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    (name, spec), *_ = signature.structured_input_signature[1].items()

    def function(x: tf.Tensor) -> tf.Tensor:
        return _flat(next(iter(signature(**{name: x}).values())))

    function.keeps = loaded  # type: ignore[attr-defined]  # keeps its variables alive
    return function, _fixed_side(spec.shape)


def _application(name: str, weights: Path | None, side: int) -> Base:
    scaling = next((r for prefix, r in _RANGES.items() if name.startswith(prefix)), None)
    make = getattr(tf.keras.applications, name, None)
    if scaling is None or not callable(make):
        raise UserError(
            f"--base {name}: expected a file, or a network of keras.applications that begins with "
            f"one of {', '.join(_RANGES)}."
        )
    side = side or _SIDE
    try:
        model = _built(make, weights, side)
    except Exception as error:  # Keras raises bare Exceptions where it cannot download
        why = str(error).strip().splitlines()[0]
        raise UserError(
            f"--base {name}: no weights: {why}; --base_weights names a file of this network's "
            "weights without its last layer."
        ) from error
    sha = hashlib.sha256(f"{name} {side}".encode())
    for array in model.get_weights():
        sha.update(array.tobytes())
    return _keras(name, sha.hexdigest(), side, *scaling, model)


def _keras(
    name: str, digest: str, side: int, mean: float, std: float, model: tf.keras.Model
) -> Base:
    """A base with the features of the last layer and of each stage before it."""
    whole = stage_features.with_stages(model)
    last = int(model.output.shape[-1])
    digest = hashlib.sha256(f"{digest} {stage_features.KIND}".encode()).hexdigest()
    function = lambda x: whole(x, training=False)  # noqa: E731
    return Base(name, digest, side, mean, std, function, whole, last, model)


def _built(make: Callable[..., tf.keras.Model], weights: Path | None, side: int) -> tf.keras.Model:
    """The network with its weights, in the width that the weights fit."""
    settings = {"include_top": False, "pooling": "avg", "input_shape": (side, side, 3)}
    if weights is None:
        return make(weights="imagenet", **settings)
    several = "alpha" in inspect.signature(make).parameters
    misfits: list[Exception] = []
    for more in [{"alpha": width} for width in _WIDTHS] if several else [{}]:
        model = make(weights=None, **settings, **more)
        try:
            with warnings.catch_warnings():
                # A warning means layers without weights, except one about Keras' own list.
                warnings.simplefilter("error", UserWarning)
                warnings.filterwarnings("ignore", "Skipping nested container")
                model.load_weights(weights)
        except (ValueError, UserWarning) as error:
            misfits.append(error)
            continue
        return model
    raise misfits[0]


def _flat(x: tf.Tensor) -> tf.Tensor:
    """Average maps (b, h, w, d) to (b, d)."""
    return tf.reduce_mean(x, axis=(1, 2)) if len(x.shape) == 4 else x


def _fixed_side(shape: tf.TensorShape) -> int | None:
    return int(shape[1]) if shape.rank == 4 and shape[1] else None
