"""Download a model's files, verify them, and install the model."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from scai.errors import ConfigError
from scai.models.cards import ModelCard
from tools.models import download
from tools.models.archive import extract
from tools.models.catalogue import CatalogueEntry, RemoteFile
from tools.models.facts import CARD
from tools.models.files import sha256_of, size_of
from tools.models.installation import Installation, InstallPlan
from tools.models.transfer import MAX_BYTES, FileRequest, Progress

# Bytes of a label file; large ones have some 20,000 lines.
MAX_LABEL_BYTES = 10_000_000
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

# Called with a file's name; returns the function that shows its progress.
ProgressOf = Callable[[str], Progress]


@dataclass(frozen=True)
class Download:
    """One file to download; `sha256` "" and `size` None: unknown. `member`: name in an archive."""

    url: str
    file: str
    sha256: str = ""
    size: int | None = None
    member: str = ""
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class PlannedDownload:
    """A model to download. `labels` may be a local file."""

    name: str
    kind: str
    graph: Download
    labels: Download | Path | None
    keys: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    licence: str = ""
    source: str = ""

    @property
    def files(self) -> list[Download]:
        """The files to download."""
        return [part for part in (self.graph, self.labels) if isinstance(part, Download)]


def is_address(text: str) -> bool:
    """Tell whether this is a URL and not the name of a model or file."""
    return "://" in text


def from_catalogue(entry: CatalogueEntry, mirror: str = "") -> PlannedDownload:
    """Plan the download of a model of the catalogue."""
    return PlannedDownload(
        entry.name,
        entry.kind,
        _download(entry.graph, mirror),
        _download(entry.labels, mirror),
        entry.keys,
        entry.title,
        entry.licence,
        entry.source,
    )


def from_address(url: str, kind: str, sha256: str = "") -> PlannedDownload:
    """Plan the download of a URL; the model gets the name of the file. Raises ConfigError."""
    if sha256 and not _SHA256.fullmatch(sha256):
        raise ConfigError(f"--sha256: expected 64 hex digits, got {sha256!r}")
    file = file_name(url)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file).stem).strip("-._")
    source = FileRequest(url).public_url
    return PlannedDownload(name, kind, Download(url, file, sha256.lower()), None, source=source)


def labels_from(text: str) -> Download | Path:
    """Return what --labels names: a URL or a local file. Raises ConfigError."""
    if is_address(text):
        return Download(text, file_name(text), max_bytes=MAX_LABEL_BYTES)
    if not Path(text).is_file():
        raise ConfigError(f"--labels: expected a file or an address, got {text!r}")
    return Path(text)


def file_name(url: str) -> str:
    """Return a plain file name from the end of a URL. Raises ConfigError."""
    name = re.sub(r"[^\w.+-]+", "_", PurePosixPath(unquote(urlsplit(url).path)).name).lstrip(".")
    if not name:
        raise ConfigError(f"expected the address of a file, got {FileRequest(url).public_url!r}")
    return name


def _download(file: RemoteFile, mirror: str) -> Download:
    return Download(file.at(mirror), file.file, file.sha256, file.size, file.member)


def fetch_and_install(
    installation: Installation,
    planned: PlannedDownload,
    progress_of: ProgressOf,
    *,
    force: bool = False,
    check: bool = True,
    default: bool = False,
    folder: Path = download.FOLDER,
) -> tuple[ModelCard, dict[str, str]]:
    """Download and install a model; returns its card and the SHA-256 of each downloaded file.

    Raises ScaiError; then nothing is installed. Only a broken transfer leaves a partial file.
    """
    installation.check_free(planned.name, planned.kind, force=force)
    InstallPlan(planned.name, planned.kind, keys=planned.keys)
    with _staging(folder) as stage:
        downloads = planned.files
        if len({part.file for part in downloads}) < len(downloads):
            raise ConfigError(
                f"expected different names for model and labels, got {downloads[0].file} twice"
            )
        _gather(downloads, stage, progress_of, folder)
        digests = {part.file: sha256_of(stage / part.file) for part in downloads}
        labels = planned.labels
        install_plan = InstallPlan(
            name=planned.name,
            kind=planned.kind,
            graph=stage / planned.graph.file,
            labels=stage / labels.file if isinstance(labels, Download) else labels,
            keys=planned.keys,
            remarks=_remarks(planned),
            card=_write_card(planned, stage, digests),
        )
        return installation.install(
            install_plan, force=force, check=check, default=default
        ), digests


def _gather(downloads: list[Download], stage: Path, progress_of: ProgressOf, folder: Path) -> None:
    """Download every URL once, and unpack the files it holds."""
    for url in dict.fromkeys(part.url for part in downloads):
        parts = [part for part in downloads if part.url == url]
        plain = next((part for part in parts if not part.member), None)
        if plain is None:
            request = FileRequest(url)
        else:
            request = FileRequest(url, plain.sha256, plain.size, plain.max_bytes)
        with download.fetch(request, folder, progress_of(file_name(url))) as got:
            # Errors of the archive name this file.
            whole = stage / "fetched" / file_name(url)
            whole.parent.mkdir(exist_ok=True)
            os.replace(got, whole)
        for part in parts:
            if part.member:
                _unpack(whole, part, stage)
        if plain is not None:
            os.replace(whole, stage / plain.file)


def _unpack(archive: Path, part: Download, stage: Path) -> None:
    target = stage / part.file
    extract(archive, part.member, target, part.size or part.max_bytes)
    if part.size is not None and (size := size_of(target)) != part.size:
        raise ConfigError(f"{part.member}: expected {part.size} bytes, got {size}")
    if part.sha256 and (digest := sha256_of(target)) != part.sha256:
        raise ConfigError(f"{part.member}: expected sha256 {part.sha256}, got {digest}")


def _remarks(planned: PlannedDownload) -> tuple[str, ...]:
    source = (
        f"From {planned.source}" + (f", licence {planned.licence}" if planned.licence else "") + "."
    )
    return (f"{planned.title}.", source) if planned.title else (source,)


def _write_card(planned: PlannedDownload, stage: Path, digests: Mapping[str, str]) -> Path:
    """Write a card.json from what the planned download states of the model."""
    facts = {
        "name": planned.name,
        "task": planned.kind,
        "summary": planned.title,
        "licence": planned.licence,
        "source": planned.source,
        "files": {
            name: {"bytes": size_of(stage / name), "sha256": digest}
            for name, digest in digests.items()
        },
    }
    path = stage / CARD
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="model-", dir=folder) as name:
        yield Path(name)
