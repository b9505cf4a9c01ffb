"""Guess the configuration of a model from its file; each guess has a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scai.models.cards import CLASSIFICATION, DETECTION
from tools.list_ops.input_range import LIKELY, PASSING, SURE, UNSURE, Guess, mean_and_std, plain
from tools.network_files.facts import NetworkFacts, Shape, Tensor

NEITHER = "neither"

DETECTION_NAMES = ("detection_boxes", "detection_scores", "detection_classes")
_POST_PROCESS = "TFLite_Detection_PostProcess"
_SCORES = ("softmax", "logsoftmax", "sigmoid", "logistic")
_LOGITS = ("matmul", "fullyconnected", "biasadd", "gemm", "add", "addv2", "dense", "conv2d")
_FEATURES = ("averagepool", "avgpool", "mean", "maxpool", "globalaverage", "globalmax")
_SIDE_IN_NAME = re.compile(
    r"(?<!\d)(96|128|160|192|224|240|256|260|288|299|300|320|331|416|512|640)(?!\d)"
)


@dataclass(frozen=True)
class Verdict:
    """The kind of a model, and guesses by key of usr/*.config. `classes` 0: unknown."""

    kind: Guess
    classes: int
    keys: dict[str, Guess]


def guess(facts: NetworkFacts, name: str = "") -> Verdict:
    """Guess kind and configuration of a model; `name`: of its file, which may state its family."""
    kind = _kind(facts)
    if not facts.inputs and any(op.type == "DecodeJpeg" for op in facts.operations):
        return Verdict(kind, _classes(facts, kind.value), _inception_2015(facts))
    source = _source(facts)
    keys: dict[str, Guess] = {}
    if source is not None:
        keys["INPUT_LAYER"] = _input_layer(facts, source)
    keys["OUTPUT_LAYER"] = _output_layer(facts, kind.value)
    if source is not None:
        keys |= _sides(source, facts, name, kind.value)
        keys |= mean_and_std(source, facts, name)
    return Verdict(kind, _classes(facts, kind.value), keys)


def _kind(facts: NetworkFacts) -> Guess:
    names = {tensor.name.split(":")[0] for tensor in facts.outputs}
    if set(DETECTION_NAMES) <= names:
        return Guess(DETECTION, SURE, "its outputs have the names of the Object Detection API")
    if any(op.type == _POST_PROCESS for op in facts.operations):
        return Guess(DETECTION, SURE, f"it ends in {_POST_PROCESS}")
    shapes = [tensor.shape or () for tensor in facts.outputs]
    rows = [shape[1] for shape in shapes if len(shape) == 3 and shape[2] == 4]
    if rows and sum(len(s) == 2 and s[1] == rows[0] for s in shapes) >= 2:
        return Guess(DETECTION, LIKELY, "its outputs have the shapes of boxes, scores and classes")
    output = _main_output(facts)
    if output is None:
        return Guess(NEITHER, UNSURE, f"it has {len(facts.outputs)} outputs that are no detector's")
    return _kind_of_one_output(facts, output)


def _main_output(facts: NetworkFacts) -> Tensor | None:
    """Return the only output, or the only one with a typical name of a classifier's output."""
    if len(facts.outputs) == 1:
        return facts.outputs[0]
    likely = [t for t in facts.outputs if re.search(r"final_result|softmax|predict|prob", t.name)]
    return likely[0] if len(likely) == 1 else None


def _kind_of_one_output(facts: NetworkFacts, output: Tensor) -> Guess:
    last = _last_step(facts, output.name)
    if output.shape is not None and not _flat(output.shape):
        shape = shape_text(output.shape)
        return Guess(NEITHER, LIKELY, f"its output {shape} is no row of scores")
    if any(_is(last, kind) for kind in _SCORES) or re.search(r"\((softmax|sigmoid)\)", last):
        return Guess(CLASSIFICATION, SURE, f"it ends in {last}")
    if any(plain(last).startswith(kind) for kind in _FEATURES):
        return Guess(NEITHER, LIKELY, f"it ends in {last}: features for a model to be put behind")
    if any(_is(last, kind) for kind in _LOGITS) or last.startswith("Dense"):
        return Guess(CLASSIFICATION, LIKELY, f"it ends in {last}: scores before the softmax")
    if any(plain(op.type) == "softmax" for op in facts.operations):
        return Guess(CLASSIFICATION, LIKELY, "it has one output and a Softmax")
    return Guess(CLASSIFICATION, UNSURE, "it has one output, which may be a row of scores")


def _last_step(facts: NetworkFacts, output: str) -> str:
    """Return the type of the last operation that does more than pass values on."""
    by_name = {op.name: op for op in facts.operations}
    operation = by_name.get(output) or by_name.get(output.split(":")[0])
    for _ in facts.operations:
        if operation is None or not operation.inputs:
            break
        # Look behind a reshape: there may be a softmax.
        if not any(plain(operation.type).startswith(kind) for kind in PASSING):
            break
        operation = by_name.get(operation.inputs[0])
    return operation.type if operation else ""


def _classes(facts: NetworkFacts, kind: str) -> int:
    output = _main_output(facts)
    shape = output.shape if output else None
    return (shape[-1] or 0) if kind == CLASSIFICATION and shape else 0


def _inception_2015(facts: NetworkFacts) -> dict[str, Guess]:
    """Describe the graph of the first retrain.py: it decodes JPEG itself; pixels go in behind."""
    why = "Inception of 2015, which decodes JPEG itself: pixels go in behind that"
    values = {"INPUT_LAYER": "Mul", "INPUT_HEIGHT": "299", "INPUT_WIDTH": "299"}
    values |= {"INPUT_MEAN": "128", "INPUT_STD": "128"}
    if not any(op.name == "Mul" for op in facts.operations):
        return {"OUTPUT_LAYER": _output_layer(facts, CLASSIFICATION)}
    guesses = {key: Guess(value, LIKELY, why) for key, value in values.items()}
    return guesses | {"OUTPUT_LAYER": _output_layer(facts, CLASSIFICATION)}


def _source(facts: NetworkFacts) -> Tensor | None:
    """Return the input for pictures: of four dimensions, with one or three channels."""
    pictures = [t for t in facts.inputs if t.shape and len(t.shape) == 4]
    coloured = [t for t in pictures if (t.shape or ())[3] in (1, 3) or (t.shape or ())[1] in (1, 3)]
    return next(iter([*coloured, *pictures, *facts.inputs]), None)


def _input_layer(facts: NetworkFacts, source: Tensor) -> Guess:
    if len(facts.inputs) == 1:
        return Guess(source.name, SURE, "the only input")
    return Guess(source.name, LIKELY, f"of {len(facts.inputs)} inputs the one that takes pictures")


def _output_layer(facts: NetworkFacts, kind: str) -> Guess:
    if kind == DETECTION:
        return Guess("", SURE, "a detector's outputs are found by themselves")
    if len(facts.outputs) == 1:
        return Guess(facts.outputs[0].name, SURE, "the only output")
    main = _main_output(facts)
    if main is not None:
        return Guess(main.name, UNSURE, "by its name, of several outputs")
    return Guess("", UNSURE, "no output, or several; look at the list")


def _sides(source: Tensor, facts: NetworkFacts, name: str, kind: str) -> dict[str, Guess]:
    height, width = _height_width(source.shape)
    if height and width:
        why = "the shape of the input"
        return {
            "INPUT_HEIGHT": Guess(str(height), SURE, why),
            "INPUT_WIDTH": Guess(str(width), SURE, why),
        }
    match = _SIDE_IN_NAME.search(name)
    if kind == DETECTION:
        size = Guess("", SURE, "any size goes, and detectors see more in larger pictures")
    elif match:
        size = Guess(match[1], LIKELY, "the file's name; any size goes")
    elif any("inception" in text.lower() for text in (name, *(op.name for op in facts.operations))):
        size = Guess("299", LIKELY, "Inception's size; any size goes")
    else:
        size = Guess("", UNSURE, "any size goes; 299 unless stated")
    return {"INPUT_HEIGHT": size, "INPUT_WIDTH": size}


def _height_width(shape: Shape | None) -> tuple[int | None, int | None]:
    if not shape or len(shape) != 4:
        return None, None
    # ONNX models of other frameworks have the channels first.
    first = shape[1] in (1, 3) and shape[3] not in (1, 3)
    return (shape[2], shape[3]) if first else (shape[1], shape[2])


def _is(kind: str, name: str) -> bool:
    return plain(kind) == name


def _flat(shape: Shape) -> bool:
    """Tell whether a shape is one row of numbers per image: all inner dimensions are 1."""
    return len(shape) >= 2 and all(side == 1 for side in shape[1:-1])


def shape_text(shape: Shape | None) -> str:
    """Format a shape as `[1, 224, 224, 3]`; `?` for a free dimension, "" for None."""
    return "" if shape is None else f"[{', '.join('?' if s is None else str(s) for s in shape)}]"
