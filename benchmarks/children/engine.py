"""One contender of the engine benchmark: one model in one engine, or in plain TensorFlow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.children.child import serve, time_calls
from scai import plugins
from scai.engines.base import TensorSpec, example
from scai.models.cards import AUTO, CLASSIFICATION, ModelCard, SpeedPolicy, load_card
from scai.recognition import loading

Call = Callable[[NDArray[np.generic]], object]
# Largest inference batch of a resident worker.
_BATCH = 8
_call: Call | None = None
_spec: TensorSpec | None = None
_one_by_one = False


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """{"graph" | "config", "engine", "records"}: load. {"batch", "seconds"}: measure."""
    if "seconds" in question:
        return measure(int(question["batch"]), float(question["seconds"]))
    return load(question)


def load(question: dict[str, Any]) -> dict[str, Any]:
    """Load the model; returns the engine, and the seconds it took.

    "auto" chooses as a resident worker does, with its speed records in the folder "records".
    """
    global _call, _spec, _one_by_one
    start = time.perf_counter()
    if question["engine"] == "plain":
        _call, _spec, _one_by_one, description = _plain(Path(question["graph"]))
        return {"is": description, "took": time.perf_counter() - start}
    if "config" in question:
        card = load_card(Path(question["config"]), question["section"], question["kind"])
    else:
        graph = Path(question["graph"])
        card = ModelCard(CLASSIFICATION, graph, graph.name, graph=graph)
    if question["engine"] == AUTO:
        card = replace(card, speed_policy=SpeedPolicy(Path(question["records"])))
        engine = loading.load_engine(card, batch=_BATCH)
    else:
        model = loading.model_file(card, question["engine"], 0, _BATCH)
        engine = plugins.load("engines", question["engine"]).Engine(model)
    _call, _spec = engine.infer, engine.input
    return {"is": engine.describe(), "took": time.perf_counter() - start}


def measure(batch: int, seconds: float) -> dict[str, float]:
    """Measure images a second, and the median milliseconds of a call."""
    assert _call is not None and _spec is not None
    call, images = _call, example(_spec, batch)
    if _one_by_one and batch > 1:
        parts = [images[i : i + 1] for i in range(batch)]

        def turn() -> object:
            return [call(part) for part in parts]
    else:

        def turn() -> object:
            return call(images)

    time_calls(turn, seconds / 5)
    durations = time_calls(turn, seconds)
    return {
        "rate": batch * len(durations) / sum(durations),
        "p50": statistics.median(durations) * 1000,
    }


def _plain(graph: Path) -> tuple[Call, TensorSpec, bool, str]:
    """Load with plain TensorFlow: the call, its input, and whether images go one by one."""
    import tensorflow as tf

    if graph.is_dir():
        model = tf.saved_model.load(str(graph))
        function = model.signatures["serving_default"]
        [(name, tensor)] = function.structured_input_signature[1].items()

        def call(batch: NDArray[np.generic]) -> object:
            outputs = function(**{name: tf.constant(batch)})
            return model, [value.numpy() for value in outputs.values()]
    else:
        tensor, run = _frozen(tf, graph)

        def call(batch: NDArray[np.generic]) -> object:
            return [value.numpy() for value in run(tf.constant(batch))]

    sides = tensor.shape.as_list()
    spec = TensorSpec("input", (None, *sides[1:]), tensor.dtype.name)
    try:
        call(example(spec, _BATCH))
    except (tf.errors.OpError, ValueError, TypeError):
        return call, spec, True, f"tensorflow {tf.__version__}, one by one"
    return call, spec, False, f"tensorflow {tf.__version__}"


def _frozen(tf: Any, graph: Path) -> tuple[Any, Callable[[Any], list[Any]]]:
    """Load a frozen TF1 graph as a function; returns its input tensor and the call."""
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(graph.read_bytes())
    sources = {name.lstrip("^").split(":")[0] for node in definition.node for name in node.input}
    source = next(node.name for node in definition.node if node.op == "Placeholder")
    ends = [n.name for n in definition.node if n.name not in sources and n.op != "NoOp"]
    function = tf.compat.v1.wrap_function(
        lambda: tf.compat.v1.import_graph_def(definition, name=""), []
    )
    tensor = function.graph.get_tensor_by_name(f"{source}:0")
    results = [function.graph.get_tensor_by_name(f"{end}:0") for end in ends]
    return tensor, function.prune(tensor, results)


if __name__ == "__main__":
    serve(answer)
