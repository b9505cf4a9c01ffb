"""Writes what was learned: models, labels, card and plots, in a folder that appears whole."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from scai import cards
from scai.errors import ScaiError
from tools import export_models
from tools.retraining.pictures import Item, Pictures, Reader

Function = Callable[[tf.Tensor], tf.Tensor]


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `out` once it is complete, or never."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    old = out.with_name(f".{out.name}.{uuid.uuid4().hex}.old")
    part.mkdir()
    try:
        yield part
        if out.exists():
            out.rename(old)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def write_models(
    folder: Path,
    name: str,
    classes: tuple[str, ...],
    served: Function,
    model: tf.keras.Model | None,
    side: int,
    big: bool = True,
) -> None:
    """`served`: (b, side, side, 3) float32 -> (b, classes) probabilities.

    model: the same as a Keras model, where it is one. big: the two formats to learn on from too
    """
    shape = (None, side, side, 3)
    frozen = export_models.frozen_graph(
        served, shape, tf.float32, "input", ["final_result"], half=True
    )
    (folder / f"{name}.pb").write_bytes(frozen)
    lite = export_models.tflite(lambda x: [served(x)], (1, side, side, 3), tf.float32, half=True)
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
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=signature)


def section(name: str, where: str, mean: float, std: float, resize: str) -> str:
    """The lines that make SCAI serve the model; `where`: its folder, as the file should say."""
    return (
        f"[{name}]\nGRAPH = {where}/{name}.tflite\nLABELS = {where}/labels.txt\n"
        f"INPUT_MEAN = {mean:g}\nINPUT_STD = {std:g}\nRESIZE = {resize}\n"
        "ACTIVATION = none\nTOP_K = 5\n"
    )


def served_answers(
    folder: Path, name: str, lines: str, pictures: Pictures, items: list[Item]
) -> tuple[np.ndarray, np.ndarray]:
    """What the server would answer: true and first-named class (n,) of each picture."""
    from scai import pixels
    from workers.image_classification import build

    config = folder / "trial.config"
    config.write_text(lines, encoding="utf-8")
    recognizer = build(cards.load_card(config, name, cards.CLASSIFICATION))
    truth: list[int] = []
    answers: list[int] = []
    with Reader(pictures.root) as reader:
        for first in range(0, len(items), 16):
            images = []
            for item in items[first : first + 16]:
                try:
                    images.append(pixels.decode(reader.read(item.path)))
                except ScaiError as error:
                    pictures.broken[item.path] = str(error)
                    continue
                truth.append(item.label)
            answers += [int(r.indices[0]) for r in recognizer.recognize(images)]
    recognizer.close()
    config.unlink()
    return np.array(truth, int), np.array(answers, int)


def plots(
    folder: Path, classes: tuple[str, ...], confusion: np.ndarray, curves: dict[str, list[float]]
) -> None:
    """curves.png, confusion.png, classes.png. curves: "step" and one list for each line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def saved(figure: Figure, name: str) -> None:
        FigureCanvasAgg(figure)
        figure.savefig(folder / name, dpi=80)

    figure = Figure((6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        if name != "step" and len(values) == len(curves["step"]):
            axes.plot(curves["step"], values, label=name.replace("_", " "))
    axes.set_xlabel("step")
    if len(curves) > 1:
        axes.legend()
    saved(figure, "curves.png")
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    size = max(4.0, min(12.0, 0.5 * len(classes) + 2))
    figure = Figure((size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    if len(classes) <= 20:
        for (row, column), count in np.ndenumerate(confusion):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, int(count), ha="center", va="center", size=7, color=colour)
    saved(figure, "confusion.png")
    figure = Figure((6, max(3.0, 0.3 * len(classes) + 1)), layout="constrained")
    axes = figure.subplots()
    axes.barh(classes, np.diag(shares))
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the class's pictures that were recognised")
    saved(figure, "classes.png")
