"""The models of an installation: the sections of the models files and what lies beside.

Nothing of a model library is loaded, and no model is opened. Whatever cannot be read is left out,
and a section that is wrong says so in `problem`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scai.errors import ConfigError
from scai.models import cards, speeds
from scai.models.model import Model, read, short
from scai.settings import Settings

log = logging.getLogger(__name__)


class Shelf:
    """All models of an installation; what was read is kept until a file of it changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files: dict[Path, tuple[object, list[tuple[str, str]], str]] = {}
        self._models: dict[tuple[str, str], tuple[object, Model]] = {}
        self._speeds: tuple[object, list[dict[str, Any]]] = (None, [])

    def models(self, kind: str) -> list[Model]:
        """The models of a kind, the default one first; one each, however many names it has."""
        file = self._settings.models_file(kind)
        pairs, _ = self._sections(file)
        default = dict(pairs).get(self._settings.usedconfig)
        names = list(dict.fromkeys(target for _, target in pairs))
        names.sort(key=lambda name: name != default)
        found = []
        for name in names:
            aliases = tuple(alias for alias, target in pairs if target == name != alias)
            found.append(self._model(kind, file, name, name == default, aliases))
        return found

    def problem(self, kind: str) -> str:
        """Why the models file of a kind cannot be read, in a sentence, or ""."""
        return self._sections(self._settings.models_file(kind))[1]

    def find(self, kind: str, name: str) -> Model | None:
        """The model of that name."""
        return next((model for model in self.models(kind) if model.name == name), None)

    def speed(self, model: Model, running: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """What was measured of a model, as `speeds.shown`: by a worker that runs it, or before."""
        for worker in running:
            told = worker.get("measured")
            if isinstance(told, dict) and (found := speeds.shown(told, model.graph)):
                known = self._kept_speed(model)
                # The file may know of every setting that was tried.
                same = known.get("date") == found["date"]
                return known if same else found
        return self._kept_speed(model)

    def _kept_speed(self, model: Model) -> dict[str, Any]:
        folder = self._settings.cachepath
        mark = _mark(folder)
        if mark is None or self._speeds[0] != mark:
            self._speeds = (mark, speeds.kept(folder))
        return speeds.of_model(self._speeds[1], model.graph)

    def _sections(self, file: Path) -> tuple[list[tuple[str, str]], str]:
        """(name, section it stands for) of each section, and why there are none."""
        mark = _mark(file)
        known = self._files.get(file)
        if known is None or known[0] != mark:
            try:
                pairs, problem = [(n, _target(file, n)) for n in cards.sections(file)], ""
            except ConfigError as error:
                log.warning("%s", error.message)
                pairs, problem = [], short(error, file)
            known = self._files[file] = (mark, pairs, problem)
        return known[1], known[2]

    def _model(
        self, kind: str, file: Path, name: str, default: bool, aliases: tuple[str, ...]
    ) -> Model:
        known = self._models.get((kind, name))
        if known is not None:
            marks, model = known
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
    """What changes whenever a file or the names in a folder do; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
