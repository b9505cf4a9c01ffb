"""What is to be quantised: a section of usr/*.config or a file, and all that is known of it."""

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
from tools.models import sections as model_sections
from tools.network_files import formats
from tools.shrink.sources import LEARNED_ON

# What a section says that a .tflite of a fixed size has no use for, and what names its files.
_GONE = frozenset(
    "graph labels path_to_ckpt path_to_labels usr_path use engine input_layer output_layer "
    "input_height input_width cache".split()
)
_FILES = (".pb", ".tflite", ".keras", ".onnx", ".meta")
_RESIZE = ("bilinear", "area", "tf1", "letterbox")


@dataclass(frozen=True)
class Subject:
    """A model to quantise: `card` runs it as it is, `keys` go into the section of what is made.

    `remarks` are sentences for the user: what was guessed or taken from elsewhere.
    """

    card: ModelCard
    keys: dict[str, str]
    remarks: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file or folder that holds the network."""
        assert self.card.graph is not None
        return self.card.graph


def find(model: str, kind: str, given: dict[str, Any]) -> Subject:
    """The subject that a command line names. Raises UserError, ConfigError.

    `kind` "": seen from the model. `given`: fields of ModelCard from flags, None where not stated.
    """
    given = {key: value for key, value in given.items() if value not in (None, "")}
    path = Path(model)
    if path.exists() or path.suffix.lower() in _FILES:
        found = _of_file(path, kind, given)
    else:
        found = _of_section(model, kind)
    card = replace(_with_source(found.card), **given)
    stated = {
        key.upper(): str(given[key])
        for key in ("input_mean", "input_std", "resize")
        if key in given
    }
    remarks = found.remarks
    if card.graph != found.card.graph:
        remarks += (f"made from {card.graph}, which lies beside {found.card.graph}",)
    return Subject(card, found.keys | stated, remarks)


def _of_section(model: str, kind: str) -> Subject:
    choice = model_choice.parse(model)
    kind = kind or _kind_of(choice)
    card = model_choice.card(choice, kind)
    name = resolve(card.config, choice.section)
    values = model_sections.parse(card.config.read_bytes(), str(card.config))[name]
    return Subject(card, {k.upper(): v for k, v in values.items() if v and k not in _GONE})


def _kind_of(choice: model_choice.Choice) -> str:
    """The kind of recognition that a section is for, by the file it stands in."""
    if choice.config is not None:
        name = resolve(choice.config, choice.section)
        values = model_sections.parse(choice.config.read_bytes(), str(choice.config))[name]
        return DETECTION if "path_to_ckpt" in values else CLASSIFICATION
    chosen = settings.load()
    files = {kind: chosen.models_file(kind) for kind in (CLASSIFICATION, DETECTION)}
    found = [k for k, f in files.items() if f.is_file() and choice.section in sections(f)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{choice.section}: a model of both kinds; choose one with --kind.")
    known = ", ".join(s for f in files.values() if f.is_file() for s in sections(f)) or "none"
    raise UserError(
        f"{choice.section}: expected a model file or one of the sections {known}, got neither."
    )


def _of_file(path: Path, kind: str, given: dict[str, Any]) -> Subject:
    """A file's own facts, its card.json, and guesses for the rest."""
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    if path.name == "saved_model.pb":
        path = path.parent
    verdict = guess(formats.read(path), path.name)
    kind = kind or verdict.kind.value
    if kind == NEITHER:
        raise UserError(f"{path}: neither classifier nor detector ({verdict.kind.why}).")
    told, remarks = _told(path), []
    for key in ("INPUT_MEAN", "INPUT_STD"):
        found = verdict.keys.get(key)
        if found and not found.value:
            told.pop(key, None)  # whole-number inputs take the pixels as they are
        elif found and key not in told and key.lower() not in given:
            told[key] = found.value
            remarks.append(f"{key} = {found.value} is {found.sure}: {found.why}")
    layers = verdict.keys if path.suffix.lower() == ".pb" else {}
    card = ModelCard(
        kind,
        Path("command line"),
        path.parent.name if path.name == "saved_model" else path.stem,
        graph=path,
        labels=command.label_file(path, verdict.classes),
        input_mean=float(told["INPUT_MEAN"]) if "INPUT_MEAN" in told else None,
        input_std=float(told["INPUT_STD"]) if "INPUT_STD" in told else None,
        resize=told.get("RESIZE", "bilinear"),
        input_layer=layers["INPUT_LAYER"].value if "INPUT_LAYER" in layers else "",
        output_layer=layers["OUTPUT_LAYER"].value if "OUTPUT_LAYER" in layers else "",
    )
    return Subject(card, told, tuple(remarks))


def _told(path: Path) -> dict[str, str]:
    """Mean, standard deviation and way of resizing from the card.json beside a model."""
    try:
        said = json.loads((path.parent / "card.json").read_text(encoding="utf-8"))["input"]
        found = {key: f"{float(said[key]):g}" for key in ("mean", "std") if key in said}
        resize = str(said.get("resize", "")).split()[-1:]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    told = {f"INPUT_{key.upper()}": value for key, value in found.items()}
    if resize and resize[0] in _RESIZE:
        told["RESIZE"] = resize[0]
    return told


def _with_source(card: ModelCard) -> ModelCard:
    """The card of the network itself, where the model that serves is a .tflite made from it."""
    path = card.graph
    if path is None:
        raise UserError(f"{card.where('GRAPH')}: expected a model file, got nothing.")
    if path.suffix.lower() != ".tflite":
        return card
    near = [path.with_suffix(".keras"), path.parent / "saved_model", path.with_suffix(".pb")]
    found = next((p for p in near if p.exists()), None)
    if found is None:
        raise UserError(
            f"{path}: a .tflite alone cannot be quantised again; give what it was made from: "
            f"{LEARNED_ON}."
        )
    engine = card.engine if card.engine in ("openvino", "tensorflow") else "auto"
    return replace(card, graph=found, engine=engine, input_layer="", output_layer="")
