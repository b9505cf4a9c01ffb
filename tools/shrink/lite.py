"""Convert a frozen network to a .tflite, with or without quantisation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scai.engines.base import one_line
from tools.common.errors import UserError
from tools.network_files import runners
from tools.network_files.runners import Run
from tools.shrink import int8_detectors
from tools.shrink.sources import Frozen

ROUNDS = 20

Samples = Callable[[], Iterator[np.ndarray]]


def convert(
    model: Frozen,
    mode: str,
    samples: Samples | None = None,
    io: str = "float32",
    size: tuple[int | None, int | None] = (None, None),
    strict: bool = True,
    detector: bool = False,
) -> bytes:
    """Convert a network to a .tflite of batch 1. Raises UserError where that is not possible.

    mode: float32; dynamic: weights of 8 bits, activations scaled at run time; float16: weights of
    16 bits; int8: weights (by channel) and activations of 8 bits, whose ranges are measured on
    the inputs (1, h, w, c) of `samples`.
    io: type of an int8 network's input and outputs, float32 or uint8.
    size: height and width in pixels, where the network leaves them free.
    strict: every operation is int8; otherwise those without an int8 form stay float32.
    detector: its last operations stay float32 in int8.
    """
    import tensorflow as tf

    function = _function(model, size)
    keeps = tf.Module()  # with an owner, the names of inputs and outputs are stored in the file
    keeps.function = function
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], keeps)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode == "int8":
        assert samples is not None
        inputs = samples
        converter.representative_dataset = lambda: ([x] for x in inputs())
        whole = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.target_spec.supported_ops = (
            whole if strict else [*whole, tf.lite.OpsSet.TFLITE_BUILTINS]
        )
        if io == "uint8":
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
    try:
        if mode == "int8" and detector:
            with stored(convert(model, "float32", size=size)) as path:
                return int8_detectors.quantize(converter, path)
        return bytes(converter.convert())
    except UserError:
        raise
    except Exception as error:
        # The converter has its own classes of errors, and raises most others too.
        raise UserError(f"the TFLite converter cannot make {mode} of it: {_reason(error)}.") from (
            error
        )


def _reason(error: Exception) -> str:
    """Return the converter's message without its listings."""
    text = str(error)
    for line in text.splitlines():
        if "error:" in line:
            text = line.split("error:", 1)[1]
            break
    return one_line(ValueError(text), 200).rstrip(". ")


def _function(model: Frozen, size: tuple[int | None, int | None]) -> Any:
    """Wrap the network as a concrete function of batch 1, with its outputs by name."""
    import tensorflow as tf

    def imported() -> None:
        tf.import_graph_def(model.definition, name="")

    whole = tf.compat.v1.wrap_function(imported, [])
    pruned = whole.prune(f"{model.input}:0", [f"{name}:0" for name in model.outputs])
    shape = list(model.shape)
    if len(shape) == 4:
        shape = [1, shape[1] or size[0], shape[2] or size[1], shape[3]]
    spec = tf.TensorSpec(shape, model.dtype, name=_word(model.input))

    def served(x: Any) -> dict[str, Any]:
        return dict(zip(_words(model.outputs), pruned(x), strict=True))

    return tf.function(served).get_concrete_function(spec)


def _word(name: str) -> str:
    """Return a name that is allowed in signatures: the last part of a path."""
    return name.rsplit("/", 1)[-1]


def _words(names: Sequence[str]) -> list[str]:
    """Return such names for several outputs, all different."""
    short = [_word(name) for name in names]
    return short if len({*short}) == len(short) else [name.replace("/", "_") for name in names]


@contextmanager
def stored(data: bytes) -> Iterator[Path]:
    """Write the network to a temporary file."""
    with tempfile.TemporaryDirectory(prefix="scai-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        yield path


def milliseconds(data: bytes, x: np.ndarray) -> float:
    """Time the fastest call with one input (1, h, w, c), on one core, in LiteRT."""
    with stored(data) as path:
        run = _opened(path, x)
        return min(runners.milliseconds(run, x, 1) for _ in range(ROUNDS))


def answers(
    data: bytes, inputs: Sequence[np.ndarray], outputs: Sequence[str]
) -> list[list[np.ndarray]]:
    """Run each input (1, h, w, c) through LiteRT; outputs in the order of `outputs`."""
    with stored(data) as path:
        run = _opened(path, inputs[0])
        order = _order(path, outputs)
        return [[results[place] for place in order] for results in map(run, inputs)]


def _opened(path: Path, x: np.ndarray) -> Run:
    """`runners.litert`, at the size of `x` where the file leaves it free."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(path), num_threads=1)
    detail = model.get_input_details()[0]
    if tuple(detail["shape"]) != x.shape:
        model.resize_tensor_input(detail["index"], x.shape)
    model.allocate_tensors()
    results = [detail["index"] for detail in model.get_output_details()]

    def run(x: np.ndarray) -> list[np.ndarray]:
        model.set_tensor(detail["index"], x)
        model.invoke()
        return [model.get_tensor(index) for index in results]

    return run


def _order(path: Path, outputs: Sequence[str]) -> list[int]:
    """SectionPlace of each named output among the file's own."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(path))
    signatures = model.get_signature_list()
    runner = model.get_signature_runner(next(iter(signatures)))
    by_name = {name: d["index"] for name, d in runner.get_output_details().items()}
    places = [detail["index"] for detail in model.get_output_details()]
    return [places.index(by_name[name]) for name in _words(outputs)]
