"""The models of an installation: sections in usr/*.config, and their files in usr/models/<name>/.

Installing is all or nothing: if any step fails, even loading the model, every file and the section
are taken back. Removing touches only files in the model's own folder that no other model uses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scai import plugins
from scai.errors import ConfigError
from scai.models import cards
from scai.models.cards import CLASSIFICATION, ModelCard
from scai.recognition.loading import model_path
from scai.settings import Settings
from tools.models import sections
from tools.models.facts import CARD, card_of, read_card
from tools.models.files import Change, bring, delete, inside, locked, read_ini, rewrite
from tools.models.sections import SectionPlace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATH_KEYS = ("graph", "labels", "path_to_ckpt", "path_to_labels")
_NOT_OURS = (*_PATH_KEYS, "use", "usr_path")


@dataclass(frozen=True)
class InstallPlan:
    """A model to install: its files, additional keys, and remarks for people.

    `card`: the card.json to install, where none lies beside the model.
    """

    name: str
    kind: str
    graph: Path | None = None
    labels: Path | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    card: Path | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        for key, value in self.keys.items():
            if key.lower() in _NOT_OURS or not re.fullmatch(r"\w+", key):
                raise ConfigError(f"--set: expected a key of docs/configuration.md, got {key!r}")
            if "\n" in value or "\r" in value:
                raise ConfigError(f"--set {key}: expected one line, got several")


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can be a section and a folder."""
    if not NAME.fullmatch(name) or name.lower() == sections.DEFAULT:
        raise ConfigError(
            "a model's name: expected letters, digits, '.', '_' or '-', 64 at most, and not "
            f"{sections.DEFAULT!r}, got {name!r}"
        )


class Installation:
    """The models of one installation.

    `configs`: kind -> ini file; `used`: the section that the setting usedconfig names.
    """

    def __init__(self, configs: Mapping[str, Path], used: str = sections.DEFAULT) -> None:
        self.configs = dict(configs)
        self.used = used

    @staticmethod
    def of(settings: Settings) -> Installation:
        """Return the installation whose models the workers of these settings load."""
        kinds = plugins.names("workers")
        return Installation(
            {kind: settings.models_file(kind) for kind in kinds}, settings.usedconfig
        )

    def places(self) -> list[SectionPlace]:
        """List every section of every file, in order."""
        return [
            SectionPlace(kind, config, name, values.get("use", "").strip())
            for kind, config in self.configs.items()
            for name, values in self._sections(config).items()
        ]

    def find(self, name: str, kind: str = "") -> SectionPlace:
        """Find the section of that name. Raises ConfigError when there is none or more than one."""
        matches = [p for p in self.places() if p.name == name and kind in ("", p.kind)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            kinds = " and ".join(place.kind for place in matches)
            raise ConfigError(f"{name} is a model of {kinds}: choose one with --kind")
        names = ", ".join(dict.fromkeys(place.name for place in self.places())) or "none"
        raise ConfigError(f"no model named {name!r} is installed; there are: {names}")

    def install(
        self, plan: InstallPlan, *, force: bool = False, check: bool = True, default: bool = False
    ) -> ModelCard:
        """Copy the files, write the section and load the model; all of it or nothing.

        `force`: replace a model of this name. `check`: load the model. `default`: make the
        section [default] refer to it. Raises ConfigError or EngineError.
        """
        place = SectionPlace(plan.kind, self.configs[plan.kind], plan.name)
        where = str(place.config)
        with locked(place.config.parent), Change() as change:
            self.check_free(plan.name, plan.kind, force=force)
            before = read_ini(place.config)
            old = self.own_files(place) if plan.name in self._sections(place.config) else []
            values, brought = self._bring(plan, place, change, force)
            after = sections.put(before, plan.name, values, plan.remarks, where)
            if default:
                after = sections.point_default(after, plan.name, where)
            change.on_failure(rewrite, place.config, before)
            rewrite(place.config, after)
            card = cards.load_card(place.config, plan.name, plan.kind)
            if check:
                plugins.load("workers", plan.kind).build(card).close()
            for path in _stale(old, brought, plan):
                change.on_success(path)
        return card

    def check_free(self, name: str, kind: str, *, force: bool = False) -> None:
        """Raise ConfigError when a model of this name is installed and may not be replaced."""
        check_name(name)
        for place in self.places():
            if place.name != name or (force and place.kind == kind and not place.use):
                continue
            hint = "; --force replaces it" if place.kind == kind and not place.use else ""
            raise ConfigError(
                f"{place.config}: expected no section {name}, got one of {place.kind}{hint}"
            )

    def remove(self, place: SectionPlace) -> list[Path]:
        """Remove the section from its file and delete the model's own files; returns them."""
        with locked(place.config.parent):
            self.check_unused(place)
            files = self.own_files(place)
            text = sections.drop(read_ini(place.config), place.name, str(place.config))
            # First the section: a crash in between leaves files too many, not a model too few.
            rewrite(place.config, text)
            delete(files)
            if not place.folder.is_symlink() and place.folder.is_dir():
                if not any(place.folder.iterdir()):
                    place.folder.rmdir()
            return files

    def check_unused(self, place: SectionPlace) -> None:
        """Raise ConfigError when another section or the settings refer to the model."""
        for other in self.places():
            if (other.kind, other.use) == (place.kind, place.name):
                raise ConfigError(
                    f"{place.config}: [{other.name}] USE = {place.name}: expected a model that no "
                    "section refers to; let that section refer to another model first"
                )
        if self.used == place.name:
            raise ConfigError(f"the setting usedconfig names {place.name}: choose another first")

    def own_files(self, place: SectionPlace) -> list[Path]:
        """List the files in a model's folder that no other model uses. Links are not followed."""
        folder = place.folder
        if not folder.is_dir() or folder.is_symlink() or folder.parent.is_symlink():
            return []
        others = self._others_files(place)
        paths = [*self._candidates(place), *(folder / name for name in _listed(folder))]
        if not any(path.is_relative_to(os.path.realpath(folder)) for path in others):
            paths += [folder / CARD, folder / "card.md"]
        return [
            path
            for path in dict.fromkeys(Path(os.path.normpath(path)) for path in paths)
            if inside(folder, path)
            and os.path.lexists(path)
            and not any(used.is_relative_to(os.path.realpath(path)) for used in others)
        ]

    def _candidates(self, place: SectionPlace) -> list[Path]:
        """List every existing path that a section's keys may mean."""
        values = self._sections(place.config).get(place.name, {})
        parent, usr = place.config.parent, values.get("usr_path", "").strip()
        folders = [parent, Path(), *([parent / usr, Path(usr)] if usr else [])]
        texts = [values[key].strip() for key in _PATH_KEYS if values.get(key, "").strip()]
        paths = [folder / form for text in texts for folder in folders for form in _forms(text)]
        return [model_path(path) for path in paths if os.path.lexists(path)]

    def _bring(
        self, plan: InstallPlan, place: SectionPlace, change: Change, force: bool
    ) -> tuple[dict[str, str], list[Path]]:
        """Copy the files into the model's folder; returns the section's values and the paths."""
        keys = ("GRAPH", "LABELS")
        if plan.kind != CLASSIFICATION:
            keys = ("PATH_TO_CKPT", "PATH_TO_LABELS")
        graph = model_path(plan.graph) if plan.graph else None
        if graph and plan.labels and graph.name == plan.labels.name:
            raise ConfigError(
                f"expected different names for model and labels, got {graph.name} twice"
            )
        used = self._others_files(place)
        values, brought = {}, []
        for key, source in zip(keys, (graph, plan.labels), strict=True):
            if source is not None:
                brought.append(bring(source, place.folder, change, used, replace=force))
                values[key] = brought[-1].relative_to(place.config.parent).as_posix()
        facts = plan.card or (graph.parent / CARD if graph and card_of(graph) else None)
        if facts is not None:
            brought.append(bring(facts, place.folder, change, used, replace=force, name=CARD))
        return values | dict(plan.keys), brought

    def _others_files(self, place: SectionPlace) -> list[Path]:
        """List the real paths of all files that the other sections may mean."""
        return [
            Path(os.path.realpath(path))
            for other in self.places()
            if (other.kind, other.name) != (place.kind, place.name)
            for path in self._candidates(other)
        ]

    def _sections(self, config: Path) -> sections.Sections:
        return sections.parse(read_ini(config), str(config))


def _forms(text: str) -> set[str]:
    """Return a path as written, and without a leading slash, which old files have by mistake."""
    return {text, text.lstrip("/")}


def _listed(folder: Path) -> list[str]:
    """List the plain file names in the folder's card.json."""
    files = read_card(folder).get("files")
    return [name for name in files if Path(name).name == name] if isinstance(files, dict) else []


def _stale(old: list[Path], brought: list[Path], plan: InstallPlan) -> list[Path]:
    """List the files that a replaced model leaves behind; none if sources lie in the folder."""
    new = [Path(os.path.abspath(path)) for path in brought]
    sources = [Path(os.path.abspath(path)) for path in (plan.graph, plan.labels) if path]
    if any(source in new for source in sources):
        return []
    return [path for path in old if Path(os.path.abspath(path)) not in new]
