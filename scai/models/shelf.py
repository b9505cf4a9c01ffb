"""The models of an installation: the sections of the models files, and the files of each model.

No model library is loaded, and no model is opened. Whatever cannot be read is left out, and a
section that is wrong says so in `problem`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scai.errors import ConfigError
from scai.models import cards, speeds
from scai.models.model import Model, public_message, read
from scai.settings import Settings

log = logging.getLogger(__name__)


class ModelShelf:
    """All models of an installation, cached until one of their files changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files: dict[Path, tuple[object, list[tuple[str, str]], str]] = {}
        self._models: dict[tuple[str, str], tuple[object, Model]] = {}
        self._speeds: tuple[object, list[dict[str, Any]]] = (None, [])

    def models(self, kind: str) -> list[Model]:
        """The models of a kind, the default one first; each once, whatever aliases it has."""
        file = self._settings.models_file(kind)
        pairs, _ = self._sections(file)
        default = dict(pairs).get(self._settings.usedconfig)
        names = list(dict.fromkeys(target for _, target in pairs))
        names.sort(key=lambda name: name != default)
        models = []
        for name in names:
            aliases = tuple(alias for alias, target in pairs if target == name != alias)
            models.append(self._model(kind, file, name, name == default, aliases))
        return models

    def problem(self, kind: str) -> str:
        """Why the models file of a kind cannot be read, in a sentence, or ""."""
        return self._sections(self._settings.models_file(kind))[1]

    def find(self, kind: str, name: str) -> Model | None:
        """The model called `name`, or None."""
        return next((model for model in self.models(kind) if model.name == name), None)

    def speed(self, model: Model, workers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The speed of a model, as `speeds.describe`: from a worker that runs it, or a file."""
        from_file = self._stored_speed(model)
        for facts in workers:
            record = facts.get("measured")
            if isinstance(record, dict) and (speed := speeds.describe(record, model.graph)):
                # The file may list more of the plans.
                return from_file if from_file.get("date") == speed["date"] else speed
        return from_file

    def _stored_speed(self, model: Model) -> dict[str, Any]:
        folder = self._settings.cachepath
        mark = _mark(folder)
        if mark is None or self._speeds[0] != mark:
            self._speeds = (mark, speeds.read_all(folder))
        return speeds.newest(self._speeds[1], model.graph)

    def _sections(self, file: Path) -> tuple[list[tuple[str, str]], str]:
        """Name and target of each section, and why there are none."""
        mark = _mark(file)
        entry = self._files.get(file)
        if entry is None or entry[0] != mark:
            try:
                pairs, problem = [(n, _target(file, n)) for n in cards.sections(file)], ""
            except ConfigError as error:
                log.warning("%s", error.message)
                pairs, problem = [], public_message(error, file)
            entry = self._files[file] = (mark, pairs, problem)
        return entry[1], entry[2]

    def _model(
        self, kind: str, file: Path, name: str, default: bool, aliases: tuple[str, ...]
    ) -> Model:
        entry = self._models.get((kind, name))
        if entry is not None:
            marks, model = entry
            if marks == (default, aliases, *map(_mark, model.sources)) and not model.problem:
                return model
        model = read(kind, file, name, default, aliases)
        self._models[kind, name] = (default, aliases, *map(_mark, model.sources)), model
        return model


def _target(file: Path, name: str) -> str:
    """The section that `name` stands for; itself when its USE leads nowhere."""
    try:
        return cards.resolve(file, name)
    except ConfigError:
        return name


def _mark(path: Path) -> object:
    """A value that changes with a file's content or a folder's names; None without the path."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
