"""The registry of plug-ins: a file in a plug-in folder is a variant, its name is its key.

Kinds of plug-in: "queues", "engines", "routes" (folders of this package) and "workers" (the
kinds of recognition, beside this package). Listing names imports nothing.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from scai.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = {
    "queues": ("scai.queues", _PACKAGE / "queues"),
    "engines": ("scai.engines", _PACKAGE / "engines"),
    "routes": ("scai.web.routes", _PACKAGE / "web" / "routes"),
    "workers": ("workers", _PACKAGE.parent / "workers"),
}


def names(kind: str) -> list[str]:
    """The variants of `kind`, sorted, by their files; `base` is their contract, not a variant."""
    _, folder = _FOLDERS[kind]
    return sorted(
        file.stem
        for file in folder.glob("*.py")
        if file.stem != "base" and not file.stem.startswith("_")
    )


def load(kind: str, name: str) -> ModuleType:
    """Import one variant. Raises ConfigError, which lists the names, for an unknown one."""
    variants = names(kind)
    if name not in variants:
        raise ConfigError(f"no {kind} named {name!r}; there are: {', '.join(variants)}")
    package, _ = _FOLDERS[kind]
    return import_module(f"{package}.{name}")
