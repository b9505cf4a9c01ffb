"""Guess INPUT_MEAN and INPUT_STD of a model, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tools.network_files.facts import NetworkFacts, Tensor

SURE, LIKELY, UNSURE = "certain", "likely", "unsure"

# Operations that pass values on without changing their meaning.
PASSING = (
    "identity",
    "cast",
    "reshape",
    "squeeze",
    "dequantize",
    "quantize",
    "flatten",
    "dropout",
)
_ON_THE_WAY = (*PASSING, "resizebilinear", "resizenearestneighbor", "inputlayer", "placeholder")
_FEW_STEPS = 12  # preprocessing comes first, or there is none
# Family, by names of operations or of the file -> mean, std, source of these values.
FAMILIES: tuple[tuple[str, float, float, str], ...] = (
    (r"efficientnet.?lite", 127, 128, "EfficientNet-Lite is trained on (pixel - 127) / 128"),
    (r"mobilenet", 127.5, 127.5, "MobileNets are trained on -1..1"),
    (r"inception_?resnet|xception|nasnet", 127.5, 127.5, "this family is trained on -1..1"),
    (r"resnet.*v2", 127.5, 127.5, "ResNet v2 is trained on -1..1"),
    (
        r"inception",
        0,
        255,
        "as TensorFlow's label_image runs it; if it is wrong, try 127.5 and 127.5",
    ),
    (r"module_apply_default|hub_?module", 0, 255, "TensorFlow Hub modules take 0..1"),
    (r"vgg|resnet", 117, 1, "ImageNet's mean subtracted, one number for all three channels"),
)


@dataclass(frozen=True)
class Guess:
    """One value of the configuration, its certainty and reason; `value` "": leave the key out."""

    value: str
    sure: str
    why: str


def mean_and_std(source: Tensor, facts: NetworkFacts, name: str) -> dict[str, Guess]:
    """Guess INPUT_MEAN and INPUT_STD by the input's type, the first operations, or the family."""
    if source.dtype in ("uint8", "int8"):
        why = "whole-number inputs take the pixels as they are"
        if source.scale:
            why += f" (here {_real(source, 0):g} to {_real(source, 255):g})"
        return _both("", "", SURE, why)
    scaled = _scaled_within(source.name, facts)
    if scaled is not None:
        return _both(*scaled, LIKELY, "the graph's first operations scale the pixels")
    for text in ("\n".join(op.name for op in facts.operations), name):
        for pattern, mean, std, why in FAMILIES:
            if re.search(pattern, text, re.IGNORECASE):
                sure = UNSURE if pattern in ("inception", "vgg|resnet") else LIKELY
                return _both(f"{mean:g}", f"{std:g}", sure, why)
    return _both(
        "0", "255", UNSURE, "the file does not say; also common: 127.5 and 127.5, or 0 and 1"
    )


def _both(mean: str, std: str, sure: str, why: str) -> dict[str, Guess]:
    return {"INPUT_MEAN": Guess(mean, sure, why), "INPUT_STD": Guess(std, sure, why)}


def _real(source: Tensor, pixel: int) -> float:
    shift = -128 if source.dtype == "int8" else 0
    return (pixel + shift - source.zero_point) * source.scale


def _scaled_within(source: str, facts: NetworkFacts) -> tuple[str, str] | None:
    """Return INPUT_MEAN, INPUT_STD of a graph that begins with a * x + b; None if it does not."""
    factor, offset = _first_steps(source, facts)
    if (factor, offset) == (1.0, 0.0):
        return None
    if abs(factor) <= 0.1 or abs(offset) >= 50:  # made for 0..255
        return "0", "1"
    if 1 <= abs(factor) <= 10 and abs(offset) <= 5:  # made for 0..1
        return "0", "255"
    return None


def _first_steps(source: str, facts: NetworkFacts) -> tuple[float, float]:
    """Return a and b of a * x + b, which the operations right behind the input compute."""
    aliases = {op.name: op.inputs[0] for op in facts.operations if op.inputs}
    users = {name: op for op in reversed(facts.operations) for name in op.inputs}
    factor, offset, current = 1.0, 0.0, source.split(":")[0]
    for _ in range(_FEW_STEPS):
        step = users.get(current) or users.get(f"{current}:0")
        if step is None:
            break
        if step.type == "Rescaling":
            scale = facts.constants.get(f"{step.name}/scale", 1.0)
            shift = facts.constants.get(f"{step.name}/offset", 0.0)
            factor, offset = factor * scale, offset * scale + shift
        elif plain(step.type) in _STEPS:
            other = next((name for name in step.inputs if name != current), "")
            number = facts.constants.get(other, facts.constants.get(aliases.get(other, "")))
            ours_first = bool(step.inputs) and step.inputs[0] == current
            if number is None or (not ours_first and plain(step.type) in ("sub", "div")):
                break
            factor, offset = _STEPS[plain(step.type)](factor, offset, number)
        elif not any(plain(step.type).startswith(kind) for kind in _ON_THE_WAY):
            break
        current = step.name
    return factor, offset


_STEPS: dict[str, Callable[[float, float, float], tuple[float, float]]] = {
    "sub": lambda a, b, c: (a, b - c),
    "add": lambda a, b, c: (a, b + c),
    "addv2": lambda a, b, c: (a, b + c),
    "mul": lambda a, b, c: (a * c, b * c),
    "div": lambda a, b, c: (a / (c or 1), b / (c or 1)),
    "realdiv": lambda a, b, c: (a / (c or 1), b / (c or 1)),
}


def plain(kind: str) -> str:
    """Return a type of operation in one spelling: CONV_2D and Conv2D are conv2d."""
    return re.sub("[^a-z0-9]", "", kind.lower())
