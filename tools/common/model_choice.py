"""Find the model that a command line names, and load it as the worker does.

[path.config:]section[@engine], as in digits, digits@openvino, /etc/scai/mine.config:flowers
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from scai import plugins, settings
from scai.models import labels
from scai.models.cards import AUTO, ModelCard, load_card, sections
from scai.recognition.recognizer import Recognizer
from tools.common.errors import UserError


@dataclass(frozen=True)
class Choice:
    """A model as the command line names it; `config` None: the server's models file."""

    text: str
    config: Path | None
    section: str
    engine: str = ""


def parse(text: str) -> Choice:
    """Parse [path.config:]section[@engine]. Raises UserError."""
    rest, at, engine = text.rpartition("@")
    if not at:
        rest, engine = text, ""
    config, colon, section = rest.rpartition(":")
    engines = [AUTO, *plugins.names("engines")]
    if at and engine not in engines:
        raise UserError(f"{text}: expected one of {', '.join(engines)} after @, got {engine!r}.")
    if not section:
        raise UserError(f"{text!r}: expected a section of usr/*.config, got none.")
    return Choice(text, Path(config) if colon else None, section, engine)


def card(choice: Choice, kind: str) -> ModelCard:
    """Load and check the card of a model. Raises ConfigError and UserError."""
    config = choice.config or settings.load().models_file(kind)
    if choice.config is None and choice.section not in sections(config):
        names = ", ".join(sections(config)) or "none"
        raise UserError(
            f"{choice.section}: no such section in {config}, which has {names}; write "
            f"path.config:section for another file."
        )
    model = load_card(config, choice.section, kind)
    return dataclasses.replace(model, engine=choice.engine) if choice.engine else model


def label_names(card: ModelCard) -> list[str] | None:
    """Read the labels of a model in their order; None without a label file."""
    if card.labels is None:
        return None
    names = labels.read(card.labels)
    return [names[number] for number in sorted(names)]


def build(card: ModelCard, batch: int) -> Recognizer:
    """Load the model of a card, as the worker of its kind does."""
    recognizer = import_module(f"workers.{card.kind}").build(card, batch)
    assert isinstance(recognizer, Recognizer)
    return recognizer
