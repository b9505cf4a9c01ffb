"""The loaded models of a worker, by section; the least recently used one makes room."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from scai.errors import ScaiError
from scai.recognition.recognizer import Recognizer

# Seconds to cache alias lookups, each of which reads the models file.
_ALIAS_AGE = 1.0


class ModelCache:
    """Loads a section of the models file when a job first needs it.

    `load(section)` makes a warm recognizer or raises ConfigError or EngineError; it is called
    inside `while_loading()`. `default` is the section of jobs that name none; it is never evicted.
    `resolve(name)` follows aliases, so that one model is not loaded under two names. One thread
    calls `get`; others may call `loaded`.
    """

    def __init__(
        self,
        load: Callable[[str], Recognizer],
        default: str = "default",
        capacity: int = 4,
        resolve: Callable[[str], str] = str,
    ) -> None:
        self.default = default
        self.while_loading: Callable[[], AbstractContextManager[None]] = nullcontext
        self._resolve = resolve
        self._load = load
        self._capacity = capacity
        self._loaded: OrderedDict[str, Recognizer] = OrderedDict()
        self._names: dict[str, tuple[float, str]] = {}

    def loaded(self, section: str = "") -> Recognizer | None:
        """The recognizer of a section if it is loaded, else None; from any thread."""
        try:
            return self._loaded.get(self._name(section))
        except ScaiError:
            return None

    def engines(self) -> dict[str, str]:
        """The engine of each loaded model, by section; from any thread."""
        return {name: model.engine.name for name, model in list(self._loaded.items())}

    def get(self, section: str = "") -> Recognizer:
        """The recognizer of a section, loaded if need be; "" is the default one."""
        name = self._name(section)
        model = self._loaded.get(name)
        if model is None:
            # Before making room: a model that cannot be loaded must not evict a good one.
            with self.while_loading():
                model = self._load(name)
            self._make_room()
            self._loaded[name] = model
        self._loaded.move_to_end(name)
        return model

    def _name(self, section: str) -> str:
        alias, now = section or self.default, time.monotonic()
        entry = self._names.get(alias)
        if entry is None or now - entry[0] > _ALIAS_AGE:
            # Clients name sections: `resolve` raises for one that there is not, so few are cached.
            entry = self._names[alias] = (now, self._resolve(alias))
        return entry[1]

    def _make_room(self) -> None:
        while len(self._loaded) >= self._capacity:
            name = next((n for n in self._loaded if n != self.default), None)
            if name is None:
                return
            self._loaded.pop(name).close()
