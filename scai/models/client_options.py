"""What a client may choose of how a photo is recognised: a model by its name, and two numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from scai.errors import BadRequest, ConfigError
from scai.models import cards
from scai.settings import MOST_RESULTS, Settings

log = logging.getLogger(__name__)

NAMES = ("model", "threshold", "top_k")


def given(fields: Mapping[str, str]) -> dict[str, str]:
    """The choices among the fields of a form or an address, unchecked; "" where there is none."""
    return {name: fields.get(name, "") for name in NAMES}


class Choices:
    """What there is to choose from in an installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: dict[str, tuple[float, list[str]]] = {}

    def models(self, kind: str) -> list[str]:
        """The models a client may choose by name, the default one first; aliases are left out."""
        file = self._settings.models_file(kind)
        try:
            changed = file.stat().st_mtime
        except OSError:
            return []
        known = self._models.get(kind)
        if known is None or known[0] != changed:
            known = self._models[kind] = (changed, self._read_models(file))
        return list(known[1])

    def _read_models(self, file: Path) -> list[str]:
        try:
            targets = {name: cards.resolve(file, name) for name in cards.sections(file)}
        except ConfigError as error:
            log.error("%s", error.message)
            return []
        default = targets.get(self._settings.usedconfig)
        names = [name for name, target in targets.items() if name == target]
        return sorted(names, key=lambda name: name != default)

    def checked(self, kind: str, params: Mapping[str, str]) -> dict[str, str | float]:
        """The choices that were made, of their types. Raises BadRequest."""
        chosen: dict[str, str | float] = {}
        if params.get("model"):
            self._check_model(kind, params["model"])
            chosen["model"] = params["model"]
        if params.get("threshold"):
            chosen["threshold"] = _number("threshold", params["threshold"], float, 0, 1)
        if params.get("top_k"):
            chosen["top_k"] = _number("top_k", params["top_k"], int, 1, MOST_RESULTS)
        return chosen

    def _check_model(self, kind: str, name: str) -> None:
        known = [*self.models(kind), self._settings.usedconfig]
        if name not in known:
            there = ", ".join(known[:-1]) or "none"
            raise BadRequest(f"no model {name[:60]!r}; there are: {there}")


def _number(name: str, text: str, kind: type[int] | type[float], low: float, high: float) -> float:
    """`text` as a number; raises BadRequest when it is none or not between `low` and `high`."""
    try:
        value = kind(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadRequest(f"{name}: expected a number from {low} to {high}, got {text[:40]!r}")
    return value
