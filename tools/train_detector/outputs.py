"""Writes a detector as files that ship: frozen graph, SavedModel, .tflite, labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tools.common.files import publish
from tools.network_files import export
from tools.train_detector import graph as detector_graph
from tools.train_detector import model as detector_model
from tools.train_detector.graph import Suppression
from tools.train_detector.targets import PADDING

INPUT = "image_tensor"
OUTPUTS = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")
FROZEN = "frozen_inference_graph.pb"


def as_float32(model: tf.keras.Model, classes: int, width: float = 1.0) -> tf.keras.Model:
    """The same network with all its arithmetic in float32: servers have no bfloat16 to count on."""
    tf.keras.mixed_precision.set_global_policy("float32")
    copy = detector_model.build(classes, model.input_shape[-1], width)
    copy.set_weights(model.get_weights())
    return copy


def write_models(
    folder: Path,
    lite_name: str,
    classes: Sequence[str],
    model: tf.keras.Model,
    side: int,
    how: Suppression,
    saved: bool = False,
) -> None:
    """Write the files; each appears whole or not at all.

    side: pixels of the network's square input; lite_name: of the .tflite
    saved: a SavedModel too, which is the frozen graph in another wrapping
    """
    frozen = export.frozen_graph(
        detector_graph.any_size(model, side, how),
        (None, None, None, 3),
        tf.uint8,
        INPUT,
        OUTPUTS,
        half=True,
    )
    lite = export.tflite(
        detector_graph.fixed_size(model, how), (1, side, side, 3), tf.uint8, half=True
    )
    publish(folder / FROZEN, frozen)
    publish(folder / lite_name, lite)
    publish(folder / "label_map.pbtxt", label_map(classes))
    publish(folder / "labels.txt", "\n".join(classes) + "\n")
    if saved:
        _save_wrapped(frozen, folder / "saved_model")


def _save_wrapped(frozen: bytes, folder: Path) -> None:
    definition = tf.compat.v1.GraphDef.FromString(frozen)
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.compat.v1.import_graph_def(definition, name=""), []
    )
    fetches = {name: wrapped.graph.get_tensor_by_name(f"{name}:0") for name in OUTPUTS}
    pruned = wrapped.prune(wrapped.graph.get_tensor_by_name(f"{INPUT}:0"), fetches)
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name=INPUT)])
    def serve(image_tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        return pruned(image_tensor)

    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures=serve)


def label_map(classes: Sequence[str]) -> str:
    """The classes as a StringIntLabelMap of the TF Object Detection API, counted from 1."""
    items = []
    for number, name in enumerate(classes, 1):
        # JSON's escapes of quotes and backslashes are also those of protobuf's text.
        shown = json.dumps(name, ensure_ascii=False)
        items.append(f"item {{\n  id: {number}\n  name: {shown}\n  display_name: {shown}\n}}\n")
    return "".join(items)


def described_input(lite_name: str, side: int) -> dict[str, object]:
    """What goes in, for the card."""
    return {
        FROZEN: f"{INPUT}:0, (b, h, w, 3) uint8 red green blue, any size; fitted into "
        f"{side}x{side} inside, in shape",
        lite_name: f"(1, {side}, {side}, 3) uint8 red green blue; best fitted in shape into the "
        f"top left corner, the rest grey {PADDING}",
        "width": side,
        "height": side,
        "mean": 0,
        "std": 1,
    }


def described_output(lite_name: str, how: Suppression) -> dict[str, object]:
    """What comes out, for the card."""
    rows = how.most
    return {
        FROZEN: f"num_detections:0 (b,), detection_boxes:0 (b, {rows}, 4) ymin xmin ymax xmax "
        f"0..1, detection_scores:0 (b, {rows}), detection_classes:0 (b, {rows}) from 1; all "
        "float32, scores falling",
        lite_name: f"boxes (1, {rows}, 4), classes (1, {rows}) from 0, scores (1, {rows}), "
        "count (1,): the order of TFLite_Detection_PostProcess",
    }


def section(name: str, where: str, lite_name: str, classes: int, least: float) -> str:
    """The lines that make SCAI serve the model; `where`: its folder, as the file should say.

    least: score from which boxes are shown
    """
    return (
        f"[{name}]\nUSR_PATH = {where}\nPATH_TO_CKPT = {lite_name}\n"
        f"PATH_TO_LABELS = labels.txt\nRESIZE = letterbox\nNUM_CLASSES = {classes}\n"
        f"max_boxes_to_draw = 100\nmin_score_thresh = {least:g}\nline_thickness = 3\n"
    )
