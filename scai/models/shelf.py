"""What the portal may tell of the models: the sections of the models files and what lies beside.

Nothing of a model library is loaded, and no model is opened. Whatever cannot be read is left out,
and a section that is wrong says so in `problem`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scai import cards, labels
from scai.cards import ModelCard
from scai.errors import ConfigError
from scai.models import model_notes, speeds
from scai.models.model_notes import Metric, Notes, Plot, text
from scai.settings import Settings

log = logging.getLogger(__name__)

MOST_LABELS = 1000
_LONGEST_LABEL, _LONGEST_LABEL_FILE = 200, 4_000_000
_FORMATS = {
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow graph",
    ".onnx": "ONNX",
    ".keras": "Keras",
    ".xml": "OpenVINO",
}
# What a worker may tell to visitors, by the type it must have.
_WORKER: Mapping[str, type | tuple[type, ...]] = {
    "warm": bool,
    "engine": str,
    "plan": str,
    "device": str,
    "precision": str,
    "batch": int,
    "done": int,
}


@dataclass(frozen=True)
class Model:
    """One model as the files tell of it; sizes in bytes and pixels.

    `folder` is where its plots lie, None if it has no folder of its own; `problem` is one sentence
    when its section is wrong, and then the rest is empty. `sources` are what it was read from.
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
        """Content and mark of the plot of that name; None when it is not one of `plots`."""
        if self.folder is None or name not in [plot.name for plot in self.plots]:
            return None
        return model_notes.plot_bytes(self.folder, name)


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
                pairs, problem = [], _short(error, file)
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
        model = _read(kind, file, name, default, aliases)
        self._models[kind, name] = (default, aliases, *map(_mark, model.sources)), model
        return model


def running(model: Model, workers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What the living workers that have this model loaded tell, as far as it is about the model."""
    found: list[Mapping[str, Any]] = []
    for worker in workers:
        loaded = worker.get("loaded")
        if worker.get("model") == model.name:
            found.append(worker)
        elif isinstance(loaded, dict) and model.name in loaded:
            # It began with another one, to which all else that it tells belongs.
            found.append({"warm": worker.get("warm"), "engine": loaded[model.name]})
    return found


def told(model: Model, speed: Mapping[str, Any], workers: Iterable[Any]) -> dict[str, Any]:
    """A model for /models.json; docs/api.md says what each key means."""
    notes = model.notes
    at_work = [_worker(worker) for worker in workers]
    engines = [worker["engine"] for worker in at_work if worker.get("engine")]
    return {
        "kind": model.kind,
        "name": model.name,
        "default": model.default,
        "aliases": list(model.aliases),
        "problem": model.problem,
        "summary": notes.say("summary"),
        "task": notes.say("task", 100) or model.kind,
        "classes": len(model.labels),
        "labels": list(model.labels[:50]),
        "input": {"width": model.width, "height": model.height, "resize": model.resize},
        "metrics": [asdict(metric) for metric in model.metrics],
        "limits": notes.lines("limits"),
        "data": notes.say("data"),
        "licence": notes.say("licence") or notes.say("license"),
        "date": notes.say("date", 40),
        "trained_with": notes.say("trained_with"),
        "measured_with": notes.say("measured_with"),
        "format": model.format,
        "files": [{"name": name, "bytes": size} for name, size in model.files],
        "plots": [_plot(model, plot) for plot in model.plots],
        "engine": (engines or [speed.get("engine") or model.engine])[0],
        "device": next((w["device"] for w in at_work if w.get("device")), ""),
        "precision": next((w["precision"] for w in at_work if w.get("precision")), ""),
        "running": at_work,
        "speed": dict(speed),
    }


def _plot(model: Model, plot: Plot) -> dict[str, Any]:
    url = f"/models/{model.kind}/{quote(model.name, safe='')}/{plot.name}?v={plot.mark}"
    return {"url": url, "name": plot.name, "width": plot.width, "height": plot.height}


def _worker(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What of a worker's facts is for visitors."""
    kept: dict[str, Any] = {}
    for key, kind in _WORKER.items():
        value = facts.get(key)
        if isinstance(value, kind):
            kept[key] = text(value, 80) if kind is str else value
    return kept


def _read(kind: str, file: Path, name: str, default: bool, aliases: tuple[str, ...]) -> Model:
    try:
        card = cards.load_card(file, name, kind)
        known = _labels(card)
    except ConfigError as error:
        return Model(kind, name, default, aliases, problem=_short(error, file))
    folder = _folder(card)
    notes = Notes.read(folder) if folder else Notes({}, False)
    sources = [path for path in (file, card.graph, card.labels, folder) if path]
    if folder is not None:
        sources.append(folder / model_notes.NAME)
    if not known:
        known = tuple(model_notes.texts(notes.told.get("classes"), _LONGEST_LABEL, MOST_LABELS))
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
        labels=known,
        width=card.input_width or notes.size("width"),
        height=card.input_height or notes.size("height"),
        resize=card.resize,
        metrics=tuple(notes.metrics(known)),
        files=tuple(_files(card, folder, notes)),
        plots=tuple(model_notes.plots(folder, notes)) if folder else (),
        sources=tuple(sources),
    )


def _labels(card: ModelCard) -> tuple[str, ...]:
    """What it can tell apart, in the order of the label file. Raises ConfigError."""
    if card.labels is None:
        return ()
    if card.labels.stat().st_size > _LONGEST_LABEL_FILE:
        raise ConfigError(f"{card.where('LABELS')}: expected labels, got a file of many megabytes")
    found = labels.read(card.labels)
    shown = (text(found[number], _LONGEST_LABEL) for number in sorted(found))
    return tuple(label for label in shown if label)


def _folder(card: ModelCard) -> Path | None:
    """The folder that a model's notes and plots lie in."""
    if card.graph is None:
        return None
    around = [card.graph] if card.graph.is_dir() else []
    around.append(card.graph.parent)
    return next((folder for folder in around if (folder / model_notes.NAME).is_file()), around[-1])


def _format(card: ModelCard) -> str:
    if card.graph is None:
        return ""
    if card.graph.is_dir() or card.graph.name == "saved_model.pb":
        return "TensorFlow SavedModel"
    return _FORMATS.get(card.graph.suffix.lower(), card.graph.suffix)


def _files(card: ModelCard, folder: Path | None, notes: Notes) -> Iterable[tuple[str, int]]:
    """Name and bytes of the model's own files, the one that runs first."""
    if card.graph is not None:
        try:
            yield text(card.graph.name, 120), speeds.bytes_of(card.graph)
        except OSError:
            return
    if folder is None:
        return
    for name in notes.named_files():
        path = folder / name
        shown_above = path == card.graph or path.suffix == ".png"
        if not shown_above and path.is_file() and not path.is_symlink():
            yield name, path.stat().st_size


def _target(file: Path, name: str) -> str:
    """The section that `name` stands for; itself when its USE leads nowhere."""
    try:
        return cards.resolve(file, name)
    except ConfigError:
        return name


def _short(error: ConfigError, file: Path) -> str:
    """The sentence without the folders of this server."""
    return text(speeds.without_folder(error.message, file), 500)


def _mark(path: Path) -> object:
    """What changes whenever a file or the names in a folder do; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
