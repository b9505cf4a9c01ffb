"""What sees: networks that were taught on many pictures, asked here for features of new ones.

Each kind of file becomes the same thing: a TensorFlow function from pixels to features, and what
the pixels must be turned into first.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tools.retraining import mobilenet_tflite
from tools.retraining.pictures import BadData

Function = Callable[[tf.Tensor], tf.Tensor]
# Networks of keras.applications that want (pixel - mean) / std, and these two; the others want
# colours in another order, which no card can say.
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
_SIDE = 224  # pixels, where a network takes any


@dataclass(frozen=True)
class Base:
    """A feature extractor.

    function: (b, side, side, 3) float32 (pixel - mean) / std -> (b, d) float32
    model: the same as a Keras model, where it is one
    """

    name: str
    digest: str
    side: int
    mean: float
    std: float
    function: Function
    model: tf.keras.Model | None = None


def find(name: str, layer: str, weights: Path | None, side: int, mean: float, std: float) -> Base:
    """The base that --base and its companions mean. Raises BadData."""
    path = Path(name)
    if not path.exists():
        if path.suffix or "/" in name:
            raise BadData(f"--base {name}: no such file or folder.")
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
            raise BadData(f"--base {name}: expected a .tflite, a .pb or a SavedModel folder.")
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        raise BadData(f"--base {name}: cannot be read: {str(error).splitlines()[0]}") from error
    return Base(path.name, digest, side or own or _SIDE, mean, std, function)


def _digest(path: Path, rest: str) -> str:
    """Of the content and of whatever else decides the features."""
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
        raise BadData(
            f"--base {path}: only a chain of convolutions such as MobileNet v1 can be read out of "
            "a .tflite; give this network as a .pb, a SavedModel or by its Keras name."
        )
    function = lambda x: model(x, training=False)  # noqa: E731
    return Base(path.name, digest, side or own, mean, std, function, model)


def _frozen(path: Path, layer: str) -> tuple[Function, int | None]:
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    entry = next((n for n in definition.node if n.op == "Placeholder"), None)
    if entry is None:
        raise ValueError("it has no input (Placeholder)")
    if layer not in {n.name for n in definition.node}:
        raise BadData(f"--base_layer {layer!r}: no such operation in {path.name}.")
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

    function.keeps = loaded  # type: ignore[attr-defined]  # else its variables die with `loaded`
    return function, _fixed_side(spec.shape)


def _application(name: str, weights: Path | None, side: int) -> Base:
    known = next((r for prefix, r in _RANGES.items() if name.startswith(prefix)), None)
    make = getattr(tf.keras.applications, name, None)
    if known is None or not callable(make):
        raise BadData(
            f"--base {name}: expected a file, or a network of keras.applications that begins with "
            f"one of {', '.join(_RANGES)}."
        )
    side = side or _SIDE
    source = str(weights) if weights else "imagenet"
    try:
        model = make(include_top=False, pooling="avg", weights=source, input_shape=(side, side, 3))
    except Exception as error:  # Keras raises bare Exceptions where it cannot download
        why = str(error).splitlines()[0]
        raise BadData(f"--base {name}: no weights: {why}; name a file: --base_weights") from error
    sha = hashlib.sha256(f"{name} {side}".encode())
    for array in model.get_weights():
        sha.update(array.tobytes())
    function = lambda x: model(x, training=False)  # noqa: E731
    return Base(name, sha.hexdigest(), side, *known, function, model)


def _flat(x: tf.Tensor) -> tf.Tensor:
    """(b, d): maps are averaged, ones around the numbers dropped."""
    return tf.reduce_mean(x, axis=(1, 2)) if len(x.shape) == 4 else x


def _fixed_side(shape: tf.TensorShape) -> int | None:
    return int(shape[1]) if shape.rank == 4 and shape[1] else None
