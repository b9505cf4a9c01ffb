"""The models one worker has loaded, by section; the least used goes when there are too many."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from scai.errors import ScaiError
from scai.recognition.recognizer import Recognizer

# How long it is remembered which section a name stands for, in seconds: the file is read for it.
_NAME_AGE = 1.0


class ModelCache:
    """Loads a section of the models file when it is first asked for.

    `load(section)` makes a warm recognizer or raises ConfigError or EngineError. `default` is
    the section a job gets that names none; it is never put out. `resolve(name)` follows aliases,
    so that one model is not loaded under two names. One thread loads; others may call `loaded`.
    """

    def __init__(
        self,
        load: Callable[[str], Recognizer],
        default: str = "default",
        capacity: int = 4,
        resolve: Callable[[str], str] = str,
    ) -> None:
        self.default = default
        self._resolve = resolve
        self._load = load
        self._capacity = capacity
        self._loaded: OrderedDict[str, Recognizer] = OrderedDict()
        self._names: dict[str, tuple[float, str]] = {}

    def loaded(self, section: str = "") -> Recognizer | None:
        """The recognizer of a section if it is loaded already; from any thread."""
        try:
            return self._loaded.get(self._name(section))
        except ScaiError:
            return None

    def engines(self) -> dict[str, str]:
        """The engine of each model that is loaded, by section; from any thread."""
        return {name: found.engine.name for name, found in list(self._loaded.items())}

    def get(self, section: str = "") -> Recognizer:
        """The recognizer of a section; "" is the default one."""
        name = self._name(section)
        found = self._loaded.get(name)
        if found is None:
            # Loaded first: a model that cannot be loaded must not put a good one out.
            found = self._load(name)
            self._make_room()
            self._loaded[name] = found
        self._loaded.move_to_end(name)
        return found

    def _name(self, section: str) -> str:
        asked, now = section or self.default, time.monotonic()
        known = self._names.get(asked)
        if known is None or now - known[0] > _NAME_AGE:
            # Names come from clients: only the few that there are may be remembered.
            known = self._names[asked] = (now, self._resolve(asked))
        return known[1]

    def _make_room(self) -> None:
        while len(self._loaded) >= self._capacity:
            name = next((n for n in self._loaded if n != self.default), None)
            if name is None:
                return
            self._loaded.pop(name).close()
