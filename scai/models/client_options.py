"""The options of a client for one photo: a model by its name, and two numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from scai.errors import BadRequest, ConfigError
from scai.models import cards
from scai.settings import MAX_RESULTS, Settings

log = logging.getLogger(__name__)

NAMES = ("model", "threshold", "top_k")


def from_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """The options among the fields of a form or an address, unchecked; "" for absent ones."""
    return {name: fields.get(name, "") for name in NAMES}


class ClientOptions:
    """The options that an installation offers, and the check of what a client sends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: dict[str, tuple[float, list[str]]] = {}

    def models(self, kind: str) -> list[str]:
        """The names of the models on offer, the default one first; aliases are left out."""
        file = self._settings.models_file(kind)
        try:
            mtime = file.stat().st_mtime
        except OSError:
            return []
        entry = self._models.get(kind)
        if entry is None or entry[0] != mtime:
            entry = self._models[kind] = (mtime, self._read_models(file))
        return list(entry[1])

    def _read_models(self, file: Path) -> list[str]:
        try:
            targets = {name: cards.resolve(file, name) for name in cards.sections(file)}
        except ConfigError as error:
            log.error("%s", error.message)
            return []
        default = targets.get(self._settings.usedconfig)
        names = [name for name, target in targets.items() if name == target]
        return sorted(names, key=lambda name: name != default)

    def parse(self, kind: str, params: Mapping[str, str]) -> dict[str, str | float]:
        """The options that a client sent, as values of their types. Raises BadRequest."""
        options: dict[str, str | float] = {}
        if params.get("model"):
            self._check_model(kind, params["model"])
            options["model"] = params["model"]
        if params.get("threshold"):
            options["threshold"] = _number("threshold", params["threshold"], float, 0, 1)
        if params.get("top_k"):
            options["top_k"] = _number("top_k", params["top_k"], int, 1, MAX_RESULTS)
        return options

    def _check_model(self, kind: str, name: str) -> None:
        models = self.models(kind)
        if name not in (*models, self._settings.usedconfig):
            names = ", ".join(models) or "none"
            raise BadRequest(f"no model {name[:60]!r}; there are: {names}")


def _number(name: str, text: str, kind: type[int] | type[float], low: float, high: float) -> float:
    """Read a number from `low` to `high`; anything else raises BadRequest."""
    try:
        value = kind(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadRequest(f"{name}: expected a number from {low} to {high}, got {text[:40]!r}")
    return value
