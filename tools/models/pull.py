"""Fetches a model's files, verifies them, and installs them as a model of this installation."""

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
from tools.models import archive as model_archive
from tools.models import download
from tools.models.catalogue import Entry, RemoteFile
from tools.models.facts import CARD
from tools.models.files import sha256_of, size_of
from tools.models.shelf import Plan, Shelf
from tools.models.transfer import LARGEST, Progress, Wanted

# Bytes of a label file; the largest known has some 20,000 lines.
LARGEST_LABELS = 10_000_000
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

# Called with a file's name; gives what shows its progress.
Show = Callable[[str], Progress]


@dataclass(frozen=True)
class Download:
    """One file of an order; empty `sha256` and None: not known. `member`: name in an archive."""

    url: str
    file: str
    sha256: str = ""
    size: int | None = None
    member: str = ""
    most: int = LARGEST


@dataclass(frozen=True)
class Order:
    """A model to fetch. `labels` may be a file that is here already."""

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
        """What is to be fetched."""
        return [part for part in (self.graph, self.labels) if isinstance(part, Download)]


def is_address(text: str) -> bool:
    """Whether this is an address and not the name of a model or file."""
    return "://" in text


def from_catalogue(entry: Entry, mirror: str = "") -> Order:
    """The order for a model of the catalogue."""
    return Order(
        entry.name,
        entry.kind,
        _download(entry.graph, mirror),
        _download(entry.labels, mirror),
        entry.keys,
        entry.title,
        entry.licence,
        entry.source,
    )


def from_address(url: str, kind: str, sha256: str = "") -> Order:
    """The order for a bare address; the model is called as the file."""
    if sha256 and not _SHA256.fullmatch(sha256):
        raise ConfigError(f"--sha256: expected 64 hex digits, got {sha256!r}")
    file = file_name(url)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file).stem).strip("-._")
    shown = Wanted(url).shown
    return Order(name, kind, Download(url, file, sha256.lower()), None, source=shown)


def labels_from(text: str) -> Download | Path:
    """What --labels names: an address or a file."""
    if is_address(text):
        return Download(text, file_name(text), most=LARGEST_LABELS)
    if not Path(text).is_file():
        raise ConfigError(f"--labels: expected a file or an address, got {text!r}")
    return Path(text)


def file_name(url: str) -> str:
    """A plain file name from the end of an address."""
    name = re.sub(r"[^\w.+-]+", "_", PurePosixPath(unquote(urlsplit(url).path)).name).lstrip(".")
    if not name:
        raise ConfigError(f"expected the address of a file, got {Wanted(url).shown!r}")
    return name


def _download(file: RemoteFile, mirror: str) -> Download:
    return Download(file.at(mirror), file.file, file.sha256, file.size, file.member)


def pull(
    shelf: Shelf,
    order: Order,
    show: Show,
    *,
    force: bool = False,
    check: bool = True,
    default: bool = False,
    folder: Path = download.FOLDER,
) -> tuple[ModelCard, dict[str, str]]:
    """Fetch and install; gives the card and the sha256 of each file that came.

    Raises ScaiError; then nothing is installed, and only a broken transfer leaves its part.
    """
    shelf.check_free(order.name, order.kind, force=force)
    Plan(order.name, order.kind, keys=order.keys)
    with _staging(folder) as stage:
        wanted = order.files
        if len({part.file for part in wanted}) < len(wanted):
            raise ConfigError(
                f"expected a model and labels of two names, got {wanted[0].file} twice"
            )
        _gather(wanted, stage, show, folder)
        digests = {part.file: sha256_of(stage / part.file) for part in wanted}
        labels = order.labels
        plan = Plan(
            name=order.name,
            kind=order.kind,
            graph=stage / order.graph.file,
            labels=stage / labels.file if isinstance(labels, Download) else labels,
            keys=order.keys,
            remarks=_remarks(order),
            card=_write_card(order, stage, digests),
        )
        return shelf.install(plan, force=force, check=check, default=default), digests


def _gather(wanted: list[Download], stage: Path, show: Show, folder: Path) -> None:
    """Fetch every address once, and take out of it all the files that it holds."""
    for url in dict.fromkeys(part.url for part in wanted):
        parts = [part for part in wanted if part.url == url]
        plain = next((part for part in parts if not part.member), None)
        if plain is None:
            request = Wanted(url)
        else:
            request = Wanted(url, plain.sha256, plain.size, plain.most)
        with download.fetch(request, folder, show(file_name(url))) as got:
            # Under its own name, for errors to tell.
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
    model_archive.extract(archive, part.member, target, part.size or part.most)
    if part.size is not None and (size := size_of(target)) != part.size:
        raise ConfigError(f"{part.member}: expected {part.size} bytes, got {size}")
    if part.sha256 and (digest := sha256_of(target)) != part.sha256:
        raise ConfigError(f"{part.member}: expected sha256 {part.sha256}, got {digest}")


def _remarks(order: Order) -> tuple[str, ...]:
    source = f"From {order.source}" + (f", licence {order.licence}" if order.licence else "") + "."
    return (f"{order.title}.", source) if order.title else (source,)


def _write_card(order: Order, stage: Path, digests: Mapping[str, str]) -> Path:
    """What is known of the model, for `show` and for whoever finds the folder."""
    facts = {
        "name": order.name,
        "task": order.kind,
        "summary": order.title,
        "licence": order.licence,
        "source": order.source,
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
