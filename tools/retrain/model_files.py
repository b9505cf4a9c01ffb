"""The files of a retrained model in every format, and the section that serves it."""

from __future__ import annotations

import errno
from pathlib import Path

import tensorflow as tf

from tools.network_files import export
from tools.retrain.bases import Function


def write_models(
    folder: Path,
    name: str,
    classes: tuple[str, ...],
    function: Function,
    model: tf.keras.Model | None,
    side: int,
) -> None:
    """Write the files of a classifier. Raises OSError.

    function: (b, side, side, 3) float32 -> (b, classes) probabilities
    model: the same as a Keras model, if it is one
    """
    shape = (None, side, side, 3)
    frozen = export.frozen_graph(function, shape, tf.float32, "input", ["final_result"], half=True)
    (folder / f"{name}.pb").write_bytes(frozen)
    lite = export.tflite(lambda x: [function(x)], (1, side, side, 3), tf.float32, half=True)
    (folder / f"{name}.tflite").write_bytes(lite)
    (folder / "labels.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    if model is not None:
        model.save(folder / f"{name}.keras")
    module = tf.Module()
    module.kept = (
        model if model is not None else getattr(function, "keeps", None)
    )  # a function alone does not keep its variables
    compiled = tf.function(lambda x: {"final_result": function(x)})
    signature = compiled.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="input"))
    module.serve = signature
    try:
        tf.saved_model.save(module, str(folder / "saved_model"), signatures=signature)
    except tf.errors.OpError as error:  # how TensorFlow tells of a full disk
        raise OSError(errno.EIO, error.message, str(folder / "saved_model")) from error


def section(name: str, where: str, mean: float, std: float, resize: str) -> str:
    """The lines that make SCAI serve the model; `where`: its folder, as the file should name it."""
    return (
        f"[{name}]\nGRAPH = {where}/{name}.tflite\nLABELS = {where}/labels.txt\n"
        f"INPUT_MEAN = {mean:g}\nINPUT_STD = {std:g}\nRESIZE = {resize}\n"
        "ACTIVATION = none\nTOP_K = 5\n"
    )
