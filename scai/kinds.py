"""The kinds of recognition: their names, their addresses and the shapes of their results.

A kind has two files of one name in workers/, or in a further folder: `<kind>.py` is the worker
program, `<kind>.toml` holds the values of its `Kind`. Only the second is read here, so the portal
knows every kind and loads no model library. Its models are in a third file, `<kind>.config`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from scai.errors import ConfigError

FOLDER = Path(__file__).resolve().parent.parent / "workers"
# The shapes of results: scored labels of the whole picture, or scored boxes in it.
LABELS, BOXES = "labels", "boxes"
# What an upload may be: scai/jobs/inputs.py judges it, scai/worker/decoding.py decodes it.
PICTURE = "picture"
INPUT_TYPES = (PICTURE,)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ADDRESS = re.compile(r"/[A-Za-z0-9_./-]+")
# Singulars among the words, each with its plural. Catalogues translate the plural for both.
_ONE = {"one": "many", "action_one": "action_many"}
_PLURALS = {LABELS: ("{n} class", "{n} classes"), BOXES: ("{n} object", "{n} objects")}


@dataclass(frozen=True)
class KindWords:
    """Sentences for pages, in English; "" where a page says nothing.

    question: the heading of its form; text: what it does, there; summary: the same, shorter;
    batch: what a batch of photos gives; action, action_one, action_many: the button that sends
    the photo, or {n} photos; one, many: a number {n} of results; draw: the way to draw a picture
    """

    question: str
    text: str = ""
    summary: str = ""
    batch: str = ""
    action: str = "Recognise the photo"
    action_one: str = "Recognise {n} photo"
    action_many: str = "Recognise {n} photos"
    one: str = ""
    many: str = ""
    draw: str = "Draw a picture"

    def to_dict(self, say: Callable[[str], str]) -> dict[str, str]:
        """The sentences by name; `say` translates each, but a singular by its plural."""
        texts = {name: say(sentence) for name, sentence in asdict(self).items() if name not in _ONE}
        for one, many in _ONE.items():
            plural: str = getattr(self, many)
            texts[one] = getattr(self, one) if texts[many] == plural else texts[many]
        return texts


@dataclass(frozen=True)
class ApiWords:
    """Names of the operations of a kind in the description of the API, in English.

    The default name of an operation is the title of the kind with the text below.
    """

    post: str = "send a photo"
    put: str = "send a photo as the request body"
    usage: str = "how to send a photo"
    result: str = "the result"
    remove: str = "delete the photo and its result"
    input: str = "the original photo"


@dataclass(frozen=True)
class OwnSettings:
    """Names of the settings that hold its queue folder, models file and number of workers.

    "" stands for a folder named like the kind, beside that of image classification; for the file
    <kind>.config, beside the kind's own files or in usr/; and for one worker.
    """

    pool: str = ""
    models: str = ""
    workers: str = ""


@dataclass(frozen=True)
class SamplePhoto:
    """A sample picture: static/samples/<name>.webp, the model that recognises it, its title."""

    name: str
    model: str
    title: str


@dataclass(frozen=True)
class Kind:
    """One kind of recognition.

    `name` is its key everywhere: in the queue, in sessions, in file names. `title` is its name for
    people. `shape` is that of its results, LABELS or BOXES; `draws` says whether they are drawn on
    the picture. `input_type`, of INPUT_TYPES, is what an upload may be. `upload`, `result`, `input`
    and `output` are its addresses; `output` is None for a kind that does not draw. `slug` starts
    the ids of its elements in pages, and `button` is the id of the one that sends a photo. `job` is
    its name in `scai submit --job`.
    """

    name: str
    title: str
    shape: str
    draws: bool
    input_type: str
    job: str
    slug: str
    button: str
    upload: str
    result: str
    input: str
    output: str | None
    words: KindWords
    api: ApiWords
    settings: OwnSettings = OwnSettings()
    samples: tuple[SamplePhoto, ...] = ()
    file: Path = field(default=FOLDER, compare=False, repr=False)

    @property
    def noun(self) -> str:
        """Its title inside a sentence: "image classification"."""
        return self.title[:1].lower() + self.title[1:]

    def to_dict(self, say: Callable[[str], str] = str) -> dict[str, Any]:
        """What pages need, as JSON-ready values; `say` translates a sentence.

        Keys: kind, upload, result, input, output; title, noun, shape, draws, slug, button; every
        field of `KindWords`; samples.
        """
        return {
            "kind": self.name,
            **{name: getattr(self, name) for name in ("upload", "result", "input", "output")},
            "title": say(self.title),
            "noun": say(self.noun),
            **{name: getattr(self, name) for name in ("shape", "draws", "slug", "button")},
            **self.words.to_dict(say),
            "samples": [{**asdict(each), "title": say(each.title)} for each in self.samples],
        }

    def sentences(self) -> set[str]:
        """Every sentence of `to_dict`, in English: what a catalogue translates."""
        texts: set[str] = set()

        def note(sentence: str) -> str:
            texts.add(sentence)
            return sentence

        self.to_dict(note)
        return texts - {""}


def _addresses(kind: Kind) -> tuple[str | None, ...]:
    return kind.upload, kind.result, kind.input, kind.output


def load(further: str | Path = "") -> Mapping[str, Kind]:
    """The kinds in workers/ and in the folder `further`, by name, sorted by it in each folder.

    Raises ConfigError with one sentence for a file that does not describe a kind, a name or address
    that two kinds share, and a folder that does not exist.
    """
    return _load(Path(further).resolve() if str(further) else None)


@cache
def _load(further: Path | None) -> Mapping[str, Kind]:
    folders = [FOLDER] if further in (None, FOLDER) else [FOLDER, further]
    kinds: dict[str, Kind] = {}
    owners: dict[str, str] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"workerspath: expected a folder of kinds, got {folder}")
        for file in sorted(folder.glob("*.toml")):
            kind = read(file)
            for key in (kind.name, kind.slug, *filter(None, _addresses(kind))):
                other = owners.setdefault(key, str(file))
                if other != str(file):
                    raise ConfigError(f"{file}: {key!r} belongs to the kind of {other} already")
            kinds[kind.name] = kind
    return kinds


def read(file: Path) -> Kind:
    """Read the kind that a TOML file describes. Raises ConfigError for any other file."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    if not _NAME.fullmatch(file.stem):
        raise ConfigError(f"{file}: expected a name of lower-case letters, digits and _")
    if not file.with_suffix(".py").exists():
        raise ConfigError(f"{file}: expected its worker program {file.stem}.py beside it")
    return _Table(file, table).kind()


class _Table:
    """The content of a kind's file. Each key is removed when it is read; the rest are unknown."""

    def __init__(self, file: Path, table: dict[str, Any]) -> None:
        self._file = file
        self._table = table

    def kind(self) -> Kind:
        """The kind, with defaults for the keys that the file lacks."""
        name = self._file.stem
        title = self._text("title")
        shape = self._table.pop("shape", "")
        self._check(
            "shape", isinstance(shape, str) and shape in _PLURALS, f"{LABELS} or {BOXES}", shape
        )
        draws = self._table.pop("draws", shape == BOXES)
        self._check("draws", isinstance(draws, bool), "true or false", draws)
        input_type = self._text("input_type", PICTURE)
        self._check("input_type", input_type in INPUT_TYPES, " or ".join(INPUT_TYPES), input_type)
        slug = self._text("slug", name.replace("_", ""))
        one, many = _PLURALS[shape]
        own = {"question": title, "one": one, "many": many}
        api = {name: f"{title}: {words}" for name, words in asdict(ApiWords()).items()}
        kind = Kind(
            name=name,
            title=title,
            shape=shape,
            draws=draws,
            input_type=input_type,
            job=self._text("job", name),
            slug=slug,
            button=self._text("button", f"{slug}upload"),
            **self._addresses(slug, draws),
            words=KindWords(**own | self._section("words", KindWords)),
            api=ApiWords(**api | self._section("api", ApiWords)),
            settings=OwnSettings(**self._section("settings", OwnSettings)),
            samples=self._samples(),
            file=self._file,
        )
        unknown = ", ".join(self._table)
        if unknown:
            raise ConfigError(f"{self._file}: unknown: {unknown}; scai/kinds.py lists the keys")
        return kind

    def _addresses(self, slug: str, draws: bool) -> dict[str, Any]:
        upload = f"/{slug}"
        defaults = {
            "upload": upload,
            "result": f"{upload}/result",
            "input": f"{upload}/result/input",
        }
        if draws:
            defaults["output"] = f"{upload}/result/output"
        table = self._table.pop("addresses", {})
        self._check("addresses", isinstance(table, dict), "a table", table)
        for key, address in table.items():
            self._check(f"[addresses] {key}", key in defaults, " or ".join(defaults), key)
            sound = isinstance(address, str) and _ADDRESS.fullmatch(address)
            self._check(f"[addresses] {key}", bool(sound), "a path such as /toy/result", address)
        return {"output": None, **defaults, **table}

    def _samples(self) -> tuple[SamplePhoto, ...]:
        rows = self._table.pop("samples", [])
        self._check("samples", isinstance(rows, list), "a list of tables", rows)
        return tuple(SamplePhoto(**self._texts("samples", row, SamplePhoto)) for row in rows)

    def _section(self, key: str, target: type) -> dict[str, str]:
        return self._texts(key, self._table.pop(key, {}), target, complete=False)

    def _texts(
        self, key: str, table: object, target: Any, *, complete: bool = True
    ) -> dict[str, str]:
        """The texts of a table whose keys are fields of `target`: all of them, if `complete`."""
        names = [each.name for each in fields(target)]
        self._check(key, isinstance(table, dict), "a table", table)
        assert isinstance(table, dict)
        for name, value in table.items():
            self._check(f"[{key}] {name}", name in names, f"one of {', '.join(names)}", name)
            self._check(f"[{key}] {name}", isinstance(value, str), "a text", value)
        if complete:
            self._check(key, set(table) == set(names), " and ".join(names), sorted(table))
        return table

    def _text(self, key: str, default: str = "") -> str:
        value = self._table.pop(key, default)
        self._check(key, isinstance(value, str) and value != "", "a text", value)
        return str(value)

    def _check(self, key: str, sound: bool, expected: str, got: object) -> None:
        if not sound:
            raise ConfigError(f"{self._file}: {key}: expected {expected}, got {got!r}")
