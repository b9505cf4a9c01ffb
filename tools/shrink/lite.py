"""From a frozen network to a .tflite, quantised after training or not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scai.engines.base import one_line
from tools.common.errors import UserError
from tools.network_files import run as exported
from tools.network_files.run import Run
from tools.shrink import mixed
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
    """The .tflite of a network, of batch 1. Raises UserError for what cannot be converted.

    mode: float32; dynamic: weights of 8 bits, arithmetic on them with numbers scaled on the way;
    float16: weights; int8: weights (by channel) and all between, for which `samples` gives the
    inputs (1, h, w, c) to see the ranges from. io: float32 or uint8, of an int8 network's ends.
    size: height and width in pixels where the network leaves them free. strict: int8 alone, else
    operations without an int8 form may stay float32. detector: in int8 its end stays float32.
    """
    import tensorflow as tf

    function = _function(model, size)
    keeps = tf.Module()  # with an owner, the names of inputs and outputs go into the file
    keeps.function = function
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], keeps)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode == "int8":
        assert samples is not None
        given = samples
        converter.representative_dataset = lambda: ([x] for x in given())
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
                return mixed.quantized(converter, path)
        return bytes(converter.convert())
    except UserError:
        raise
    except Exception as error:
        # The converter has classes of its own for what it cannot do, and raises most others too.
        raise UserError(f"the TFLite converter cannot make {mode} of it: {_reason(error)}.") from (
            error
        )


def _reason(error: Exception) -> str:
    """The converter's complaint without its listings."""
    text = str(error)
    for line in text.splitlines():
        if "error:" in line:
            text = line.split("error:", 1)[1]
            break
    return one_line(ValueError(text), 200).rstrip(". ")


def _function(model: Frozen, size: tuple[int | None, int | None]) -> Any:
    """The network as a concrete function of a batch of 1, with its outputs by name."""
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
    """A name as signatures may hold it: the last part of a path."""
    return name.rsplit("/", 1)[-1]


def _words(names: Sequence[str]) -> list[str]:
    """The same for several, each different."""
    short = [_word(name) for name in names]
    return short if len({*short}) == len(short) else [name.replace("/", "_") for name in names]


@contextmanager
def stored(data: bytes) -> Iterator[Path]:
    """The network as a file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="scai-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        yield path


def milliseconds(data: bytes, x: np.ndarray) -> float:
    """Time of the fastest call with one input (1, h, w, c), on one core, in LiteRT."""
    with stored(data) as path:
        run = _opened(path, x)
        return min(exported.milliseconds(run, x, 1) for _ in range(ROUNDS))


def answers(
    data: bytes, inputs: Sequence[np.ndarray], outputs: Sequence[str]
) -> list[list[np.ndarray]]:
    """The outputs to each input (1, h, w, c), in the order of `outputs`."""
    with stored(data) as path:
        run = _opened(path, inputs[0])
        order = _order(path, outputs)
        return [[results[place] for place in order] for results in map(run, inputs)]


def _opened(path: Path, x: np.ndarray) -> Run:
    """`exported.litert`, at the size of `x` where the file leaves it free."""
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
    """Place of each named output among the file's own."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(path))
    signatures = model.get_signature_list()
    runner = model.get_signature_runner(next(iter(signatures)))
    by_name = {name: d["index"] for name, d in runner.get_output_details().items()}
    places = [detail["index"] for detail in model.get_output_details()]
    return [places.index(by_name[name]) for name in _words(outputs)]
