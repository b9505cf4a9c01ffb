"""One model, described by its section, its folder and its notes, without opening the model."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scai.errors import MISTAKE, ConfigError
from scai.models import cards, labels, speeds
from scai.models.cards import ModelCard
from scai.models.notes import NAME, Metric, Notes, Plot, plot_bytes, plots, text, texts

log = logging.getLogger(__name__)

_MAX_LABELS = 1000
_MAX_LABEL_LENGTH = 200
_MAX_LABEL_FILE_BYTES = 4_000_000
_FORMATS = {
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow graph",
    ".onnx": "ONNX",
    ".keras": "Keras",
    ".xml": "OpenVINO",
}


@dataclass(frozen=True)
class Model:
    """One model as its files describe it; sizes in bytes and pixels.

    `folder` holds its plots; None if it has no folder of its own. `problem` is one sentence when
    its section is wrong, and then the rest is empty. `sources` are the paths it was read from.
    """

    kind: str
    name: str
    default: bool = False
    aliases: tuple[str, ...] = ()
    problem: str = ""
    notes: Notes = field(default_factory=lambda: Notes({}, False))
    graph: Path | None = None
    format: str = ""
    engine: str = ""
    folder: Path | None = None
    labels: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    resize: str = ""
    metrics: tuple[Metric, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    plots: tuple[Plot, ...] = ()
    sources: tuple[Path, ...] = ()

    def picture(self, name: str) -> tuple[bytes, str] | None:
        """Content and mark of the plot `name`; None when it is not one of `plots`."""
        if self.folder is None or name not in [plot.name for plot in self.plots]:
            return None
        return plot_bytes(self.folder, name)


def read(kind: str, file: Path, name: str, default: bool, aliases: tuple[str, ...]) -> Model:
    """Read the model of the section `name` of `file`, or the `problem` of that section."""
    try:
        return _read(kind, file, name, default, aliases)
    except ConfigError as error:
        problem = public_message(error, file)
    except Exception as error:
        # Whatever is wrong with one section: the pages show the others.
        log.error("%s: [%s] cannot be read", file, name, exc_info=error)
        problem = MISTAKE
    return Model(kind, name, default, aliases, problem=problem)


def _read(kind: str, file: Path, name: str, default: bool, aliases: tuple[str, ...]) -> Model:
    card = cards.load_card(file, name, kind)
    names = _labels(card)
    folder = _folder(card)
    notes = Notes.read(folder) if folder else Notes({}, False)
    sources = [path for path in (file, card.graph, card.labels, folder) if path]
    if folder is not None:
        sources.append(folder / NAME)
    if not names:
        names = tuple(texts(notes.values.get("classes"), _MAX_LABEL_LENGTH, _MAX_LABELS))
    return Model(
        kind,
        name,
        default,
        aliases,
        notes=notes,
        graph=card.graph,
        format=_format(card),
        engine="" if card.engine == cards.AUTO else card.engine,
        folder=folder,
        labels=names,
        width=card.input_width or notes.size("width"),
        height=card.input_height or notes.size("height"),
        resize=card.resize,
        metrics=tuple(notes.metrics(names)),
        files=tuple(_files(card, folder, notes)),
        plots=tuple(plots(folder, notes)) if folder else (),
        sources=tuple(sources),
    )


def _labels(card: ModelCard) -> tuple[str, ...]:
    """The labels of a model, in the order of the label file. Raises ConfigError."""
    if card.labels is None:
        return ()
    if card.labels.stat().st_size > _MAX_LABEL_FILE_BYTES:
        raise ConfigError(f"{card.where('LABELS')}: expected labels, got a file of many megabytes")
    by_id = labels.read(card.labels)
    clean = (text(by_id[number], _MAX_LABEL_LENGTH) for number in sorted(by_id))
    return tuple(label for label in clean if label)


def _folder(card: ModelCard) -> Path | None:
    """The folder of a model's notes and plots."""
    if card.graph is None:
        return None
    around = [card.graph] if card.graph.is_dir() else []
    around.append(card.graph.parent)
    return next((folder for folder in around if (folder / NAME).is_file()), around[-1])


def _format(card: ModelCard) -> str:
    if card.graph is None:
        return ""
    if card.graph.is_dir() or card.graph.name == "saved_model.pb":
        return "TensorFlow SavedModel"
    return _FORMATS.get(card.graph.suffix.lower(), card.graph.suffix)


def _files(card: ModelCard, folder: Path | None, notes: Notes) -> Iterable[tuple[str, int]]:
    """Name and bytes of the model's own files, the one that the engine loads first."""
    if card.graph is not None:
        try:
            yield text(card.graph.name, 120), _bytes_of(card.graph)
        except OSError:
            return
    if folder is None:
        return
    for name in notes.file_names():
        path = folder / name
        is_elsewhere = path == card.graph or path.suffix == ".png"
        if not is_elsewhere and path.is_file() and not path.is_symlink():
            yield name, path.stat().st_size


def _bytes_of(graph: Path) -> int:
    """The size of a model's file, or of all files of its folder. Raises OSError."""
    if not graph.is_dir():
        return graph.stat().st_size
    return sum(file.stat().st_size for file in graph.rglob("*") if file.is_file())


def public_message(error: ConfigError, file: Path) -> str:
    """The error's sentence without the folders of this server."""
    return text(speeds.without_folder(error.message, file), 500)
