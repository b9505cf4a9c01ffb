"""The model to quantise: a section of usr/*.config or a file, and its facts."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scai import settings
from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard, resolve, sections
from tools.common import model_choice
from tools.common.errors import UserError
from tools.list_ops import command
from tools.list_ops.guess import NEITHER, guess
from tools.models.sections import parse
from tools.network_files import formats
from tools.shrink.sources import SOURCE_FORMATS

# Keys of a section that do not apply to a converted .tflite of a fixed size.
_SOURCE_KEYS = frozenset(
    "graph labels path_to_ckpt path_to_labels usr_path use engine input_layer output_layer "
    "input_height input_width cache".split()
)
_FILES = (".pb", ".tflite", ".keras", ".onnx", ".meta")
_RESIZE = ("bilinear", "area", "tf1", "letterbox")


@dataclass(frozen=True)
class SourceModel:
    """A model to quantise: `card` runs it, `keys` go into the section of the quantised model.

    `remarks` are sentences for the user about guesses and sources.
    """

    card: ModelCard
    keys: dict[str, str]
    remarks: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file or folder of the network."""
        assert self.card.graph is not None
        return self.card.graph


def find(model: str, kind: str, overrides: dict[str, Any]) -> SourceModel:
    """Find the model that a command line names. Raises UserError, ConfigError.

    `kind` "": detected from the model. `overrides`: fields of ModelCard from options, None where
    absent.
    """
    overrides = {key: value for key, value in overrides.items() if value not in (None, "")}
    path = Path(model)
    if path.exists() or path.suffix.lower() in _FILES:
        source = _of_file(path, kind, overrides)
    else:
        source = _of_section(model, kind)
    card = replace(_with_source(source.card), **overrides)
    stated = {
        key.upper(): str(overrides[key])
        for key in ("input_mean", "input_std", "resize")
        if key in overrides
    }
    remarks = source.remarks
    if card.graph != source.card.graph:
        remarks += (f"using {card.graph}, which lies beside {source.card.graph}",)
    return SourceModel(card, source.keys | stated, remarks)


def _of_section(model: str, kind: str) -> SourceModel:
    choice = model_choice.parse(model)
    kind = kind or _kind_of(choice)
    card = model_choice.card(choice, kind)
    name = resolve(card.config, choice.section)
    values = parse(card.config.read_bytes(), str(card.config))[name]
    return SourceModel(
        card, {k.upper(): v for k, v in values.items() if v and k not in _SOURCE_KEYS}
    )


def _kind_of(choice: model_choice.Choice) -> str:
    """Return the kind of recognition of a section, by its file."""
    if choice.config is not None:
        name = resolve(choice.config, choice.section)
        values = parse(choice.config.read_bytes(), str(choice.config))[name]
        return DETECTION if "path_to_ckpt" in values else CLASSIFICATION
    config = settings.load()
    files = {kind: config.models_file(kind) for kind in (CLASSIFICATION, DETECTION)}
    kinds = [k for k, f in files.items() if f.is_file() and choice.section in sections(f)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise UserError(f"{choice.section}: a model of both kinds; choose one with --kind.")
    names = ", ".join(s for f in files.values() if f.is_file() for s in sections(f)) or "none"
    raise UserError(
        f"{choice.section}: expected a model file or one of the sections {names}, got neither."
    )


def _of_file(path: Path, kind: str, overrides: dict[str, Any]) -> SourceModel:
    """Describe a file by its own facts, its card.json, and guesses for the rest."""
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    if path.name == "saved_model.pb":
        path = path.parent
    verdict = guess(formats.read(path), path.name)
    kind = kind or verdict.kind.value
    if kind == NEITHER:
        raise UserError(f"{path}: neither classifier nor detector ({verdict.kind.why}).")
    values, remarks = _card_values(path), []
    for key in ("INPUT_MEAN", "INPUT_STD"):
        entry = verdict.keys.get(key)
        if entry and not entry.value:
            values.pop(key, None)  # integer inputs take the pixels unchanged
        elif entry and key not in values and key.lower() not in overrides:
            values[key] = entry.value
            remarks.append(f"{key} = {entry.value} is {entry.sure}: {entry.why}")
    layers = verdict.keys if path.suffix.lower() == ".pb" else {}
    card = ModelCard(
        kind,
        Path("command line"),
        path.parent.name if path.name == "saved_model" else path.stem,
        graph=path,
        labels=command.label_file(path, verdict.classes),
        input_mean=float(values["INPUT_MEAN"]) if "INPUT_MEAN" in values else None,
        input_std=float(values["INPUT_STD"]) if "INPUT_STD" in values else None,
        resize=values.get("RESIZE", "bilinear"),
        input_layer=layers["INPUT_LAYER"].value if "INPUT_LAYER" in layers else "",
        output_layer=layers["OUTPUT_LAYER"].value if "OUTPUT_LAYER" in layers else "",
    )
    return SourceModel(card, values, tuple(remarks))


def _card_values(path: Path) -> dict[str, str]:
    """Read INPUT_MEAN, INPUT_STD and RESIZE from the card.json beside a model."""
    try:
        stated = json.loads((path.parent / "card.json").read_text(encoding="utf-8"))["input"]
        numbers = {key: f"{float(stated[key]):g}" for key in ("mean", "std") if key in stated}
        resize = str(stated.get("resize", "")).split()[-1:]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    values = {f"INPUT_{key.upper()}": value for key, value in numbers.items()}
    if resize and resize[0] in _RESIZE:
        values["RESIZE"] = resize[0]
    return values


def _with_source(card: ModelCard) -> ModelCard:
    """Return the card of the source network, if the model is a .tflite made from it."""
    path = card.graph
    if path is None:
        raise UserError(f"{card.where('GRAPH')}: expected a model file, got nothing.")
    if path.suffix.lower() != ".tflite":
        return card
    near = [path.with_suffix(".keras"), path.parent / "saved_model", path.with_suffix(".pb")]
    source = next((p for p in near if p.exists()), None)
    if source is None:
        raise UserError(
            f"{path}: a .tflite cannot be quantised again; give what it was made from: "
            f"{SOURCE_FORMATS}."
        )
    engine = card.engine if card.engine in ("openvino", "tensorflow") else "auto"
    return replace(card, graph=source, engine=engine, input_layer="", output_layer="")
