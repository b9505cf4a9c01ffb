"""Write a detector as files: frozen graph, SavedModel, .tflite, labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tools.common.files import publish
from tools.network_files import export
from tools.train_detector import model as detector
from tools.train_detector import postprocessing
from tools.train_detector.postprocessing import Suppression
from tools.train_detector.targets import PADDING

INPUT = "image_tensor"
OUTPUTS = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")
FROZEN = "frozen_inference_graph.pb"


def as_float32(model: tf.keras.Model, classes: int, width: float = 1.0) -> tf.keras.Model:
    """The same network with all its arithmetic in float32: a server may lack bfloat16."""
    tf.keras.mixed_precision.set_global_policy("float32")
    copy = detector.build(classes, model.input_shape[-1], width)
    copy.set_weights(model.get_weights())
    return copy


def write_models(
    folder: Path,
    lite_name: str,
    classes: Sequence[str],
    model: tf.keras.Model,
    side: int,
    rule: Suppression,
    saved: bool = False,
) -> None:
    """Write the files; each appears whole or not at all.

    side: pixels of the network's square input; lite_name: of the .tflite
    saved: also as a SavedModel, which wraps the frozen graph
    """
    frozen = export.frozen_graph(
        postprocessing.any_size(model, side, rule),
        (None, None, None, 3),
        tf.uint8,
        INPUT,
        OUTPUTS,
        half=True,
    )
    lite = export.tflite(
        postprocessing.fixed_size(model, rule), (1, side, side, 3), tf.uint8, half=True
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

    picture = tf.TensorSpec((None, None, None, 3), tf.uint8, name=INPUT)
    module.serve = tf.function(lambda image_tensor: pruned(image_tensor), input_signature=[picture])
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def label_map(classes: Sequence[str]) -> str:
    """The classes as a StringIntLabelMap of the TF Object Detection API, counted from 1."""
    items = []
    for number, name in enumerate(classes, 1):
        # JSON's escapes of quotes and backslashes are also those of protobuf's text.
        quoted = json.dumps(name, ensure_ascii=False)
        items.append(f"item {{\n  id: {number}\n  name: {quoted}\n  display_name: {quoted}\n}}\n")
    return "".join(items)


def input_facts(lite_name: str, side: int) -> dict[str, object]:
    """The inputs, for the card."""
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


def output_facts(lite_name: str, rule: Suppression) -> dict[str, object]:
    """The outputs, for the card."""
    rows = rule.limit
    return {
        FROZEN: f"num_detections:0 (b,), detection_boxes:0 (b, {rows}, 4) ymin xmin ymax xmax "
        f"0..1, detection_scores:0 (b, {rows}), detection_classes:0 (b, {rows}) from 1; all "
        "float32, scores falling",
        lite_name: f"boxes (1, {rows}, 4), classes (1, {rows}) from 0, scores (1, {rows}), "
        "count (1,): the order of TFLite_Detection_PostProcess",
    }


def section(name: str, where: str, lite_name: str, classes: int, threshold: float) -> str:
    """The lines that make SCAI serve the model; `where`: its folder, as the file should name it.

    threshold: score from which boxes are drawn
    """
    return (
        f"[{name}]\nUSR_PATH = {where}\nPATH_TO_CKPT = {lite_name}\n"
        f"PATH_TO_LABELS = labels.txt\nRESIZE = letterbox\nNUM_CLASSES = {classes}\n"
        f"max_boxes_to_draw = 100\nmin_score_thresh = {threshold:g}\nline_thickness = 3\n"
    )
