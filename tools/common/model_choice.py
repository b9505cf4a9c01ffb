"""Which model a command line means, and its recognizer: the one that the worker runs.

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
    """A model as the command line names it; `config` None: the server's file of its kind."""

    text: str
    config: Path | None
    section: str
    engine: str = ""


def parse(text: str) -> Choice:
    """The choice that a text stands for. Raises UserError."""
    rest, at, engine = text.rpartition("@")
    if not at:
        rest, engine = text, ""
    config, colon, section = rest.rpartition(":")
    known = [AUTO, *plugins.names("engines")]
    if at and engine not in known:
        raise UserError(f"{text}: expected one of {', '.join(known)} behind the @, got {engine!r}.")
    if not section:
        raise UserError(f"{text!r}: expected a section of usr/*.config, got none.")
    return Choice(text, Path(config) if colon else None, section, engine)


def card(choice: Choice, kind: str) -> ModelCard:
    """The card of a choice, checked. Raises ConfigError and UserError."""
    config = choice.config or settings.load().models_file(kind)
    if choice.config is None and choice.section not in sections(config):
        known = ", ".join(sections(config)) or "none"
        raise UserError(
            f"{choice.section}: no such section in {config}, which has {known}; of another file it "
            f"is path.config:section."
        )
    found = load_card(config, choice.section, kind)
    return dataclasses.replace(found, engine=choice.engine) if choice.engine else found


def label_names(card: ModelCard) -> list[str] | None:
    """The labels of a card's model in their order; None where no file states them."""
    if card.labels is None:
        return None
    found = labels.read(card.labels)
    return [found[number] for number in sorted(found)]


def build(card: ModelCard, batch: int) -> Recognizer:
    """The loaded model of a card, as the worker of its kind builds it."""
    recognizer = import_module(f"workers.{card.kind}").build(card, batch)
    assert isinstance(recognizer, Recognizer)
    return recognizer
