"""The files of a retrained model in every format, and the section that serves it."""

import errno
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from tools.network_files import export

Function = Callable[[tf.Tensor], tf.Tensor]


def write_models(
    folder: Path,
    name: str,
    classes: tuple[str, ...],
    served: Function,
    model: tf.keras.Model | None,
    side: int,
    big: bool = True,
) -> None:
    """`served`: (b, side, side, 3) float32 -> (b, classes) probabilities. Raises OSError.

    model: the same as a Keras model, where it is one. big: the two formats to learn on from too
    """
    shape = (None, side, side, 3)
    frozen = export.frozen_graph(served, shape, tf.float32, "input", ["final_result"], half=True)
    (folder / f"{name}.pb").write_bytes(frozen)
    lite = export.tflite(lambda x: [served(x)], (1, side, side, 3), tf.float32, half=True)
    (folder / f"{name}.tflite").write_bytes(lite)
    (folder / "labels.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    if not big:
        return
    if model is not None:
        model.save(folder / f"{name}.keras")
    module = tf.Module()
    module.kept = (
        model if model is not None else getattr(served, "keeps", None)
    )  # a function alone does not keep its variables
    compiled = tf.function(lambda x: {"final_result": served(x)})
    signature = compiled.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="input"))
    module.serve = signature
    try:
        tf.saved_model.save(module, str(folder / "saved_model"), signatures=signature)
    except tf.errors.OpError as error:  # how TensorFlow tells of a full disk
        raise OSError(errno.EIO, error.message, str(folder / "saved_model")) from error


def section(name: str, where: str, mean: float, std: float, resize: str) -> str:
    """The lines that make SCAI serve the model; `where`: its folder, as the file should say."""
    return (
        f"[{name}]\nGRAPH = {where}/{name}.tflite\nLABELS = {where}/labels.txt\n"
        f"INPUT_MEAN = {mean:g}\nINPUT_STD = {std:g}\nRESIZE = {resize}\n"
        "ACTIVATION = none\nTOP_K = 5\n"
    )
