"""The models that can be downloaded by name: catalogue.toml beside this file, or another file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from scai import plugins
from scai.errors import ConfigError
from tools.models.archive import check_name

CATALOGUE = Path(__file__).with_name("catalogue.toml")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class RemoteFile:
    """One file: its URL, local name, size in bytes and SHA-256; `member`: name in an archive."""

    url: str
    file: str
    size: int
    sha256: str
    member: str = ""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigError(f"expected an http or https address, got {self.url!r}")
        if not _FILE.fullmatch(self.file):
            raise ConfigError(f"expected the plain name of a file, got {self.file!r}")
        if not _SHA256.fullmatch(self.sha256):
            raise ConfigError(f"expected a sha256 of 64 hex digits, got {self.sha256!r}")
        if self.size < 1:
            raise ConfigError(f"expected a size in bytes, got {self.size}")
        if self.member:
            check_name(self.member)

    def at(self, mirror: str) -> str:
        """Return its URL; with a mirror, the URL of the file of the same name there."""
        if not mirror:
            return self.url
        return f"{mirror.rstrip('/')}/{PurePosixPath(urlsplit(self.url).path).name}"


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue. `keys` go into its section; `source` is its home page."""

    name: str
    kind: str
    title: str
    licence: str
    source: str
    graph: RemoteFile
    labels: RemoteFile
    keys: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return self.graph.size + self.labels.size


def read_catalogue(path: Path = CATALOGUE) -> dict[str, CatalogueEntry]:
    """Read the entries by name. Raises ConfigError naming file and entry."""
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return {name: _entry(name, table, path) for name, table in tables.items()}


def _entry(name: str, table: Any, path: Path) -> CatalogueEntry:
    try:
        kind = table["kind"]
        if kind not in plugins.names("workers"):
            raise ConfigError(
                f"expected one of {', '.join(plugins.names('workers'))}, got {kind!r}"
            )
        return CatalogueEntry(
            name=name,
            kind=kind,
            title=str(table["title"]),
            licence=str(table["licence"]),
            source=str(table["source"]),
            graph=RemoteFile(**table["graph"]),
            labels=RemoteFile(**table["labels"]),
            keys={key: str(value) for key, value in table.get("keys", {}).items()},
        )
    except ConfigError as error:
        raise ConfigError(f"{path}: [{name}]: {error.message}") from error
    except KeyError as error:
        raise ConfigError(f"{path}: [{name}]: expected the key {error}, got none") from error
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: [{name}]: {error}") from error
