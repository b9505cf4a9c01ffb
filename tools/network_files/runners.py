"""Run model files the way a server does, to measure the files that ship.

Each function returns a function from one input array to the list of output arrays, on `threads`
cores.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], list[np.ndarray]]


def frozen(path: Path, input_name: str, output_names: list[str], threads: int = 1) -> Run:
    """Load a TF1 frozen graph into a TensorFlow session."""
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.compat.v1.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(
        graph=graph,
        config=tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=1,
            use_per_session_threads=True,  # else the process's first session decides for all
        ),
    )
    outputs = [f"{name}:0" for name in output_names]
    return lambda x: session.run(outputs, {f"{input_name}:0": x})


def litert(path: Path, threads: int = 1) -> Run:
    """Load a .tflite into LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=os.fspath(path), num_threads=threads)
    model.allocate_tensors()
    source = model.get_input_details()[0]["index"]
    results = [detail["index"] for detail in model.get_output_details()]

    def run(x: np.ndarray) -> list[np.ndarray]:
        model.set_tensor(source, x)
        model.invoke()
        return [model.get_tensor(index) for index in results]

    return run


def openvino(path: Path, threads: int = 1, output_names: list[str] | None = None) -> Run:
    """Load either format into OpenVINO; outputs by name, or else in the file's order."""
    from scai.engines.openvino import library  # with its telemetry off

    core = library().Core()
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(path), "CPU", options)
    outputs = [f"{n}:0" for n in output_names] if output_names else range(len(model.outputs))

    def run(x: np.ndarray) -> list[np.ndarray]:
        results = model([x])
        return [results[model.output(name)] for name in outputs]

    return run


def milliseconds(run: Run, x: np.ndarray, times: int = 30) -> float:
    """Return the median milliseconds of one call, after three calls to warm up."""
    took = []
    for _ in range(times + 3):
        start = time.perf_counter()
        run(x)
        took.append((time.perf_counter() - start) * 1000)
    return float(np.median(took[3:]))
