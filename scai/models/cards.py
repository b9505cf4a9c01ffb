"""The model card: one section of usr/image_classification.config or usr/object_detection.config.

One table holds the original's keys and ours. A wrong card stops a program with one sentence:
file, section, key, what was expected and what came.
"""

from __future__ import annotations

import configparser
import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from scai import plugins
from scai.errors import ConfigError, clip

log = logging.getLogger(__name__)

AUTO = "auto"
CLASSIFICATION = "image_classification"
DETECTION = "object_detection"


@dataclass(frozen=True)
class SpeedPolicy:
    """What a program may do to run a model faster.

    `folder` holds speed records and compiled models. With `use` false, engines keep to the default
    plan and the fixed order. With `run_trials` false, the records in the folder are used,
    of whatever batch, but no speed trial is run.
    """

    folder: Path
    use: bool = True
    run_trials: bool = True


@dataclass(frozen=True)
class ModelCard:
    """Everything that the configuration says of one model; None where it says nothing.

    `name` is the section after every USE; the files `graph` and `labels` exist. `input_height`,
    `input_width` and `max_side` are pixels; `input_mean` and `input_std` make
    (pixel - mean) / std; `threads` 0 means every core; `batch` 0 means the worker's own limit;
    `label_offset` is added to a class to get its label. `speed_policy` says how the program that
    loads the model may make it faster; None: not at all.
    """

    kind: str
    config: Path
    name: str
    graph: Path | None = None
    labels: Path | None = None
    engine: str = AUTO
    input_layer: str = ""
    output_layer: str = ""
    input_height: int | None = None
    input_width: int | None = None
    input_mean: float | None = None
    input_std: float | None = None
    resize: str = "bilinear"
    decode: str = AUTO
    activation: str = AUTO
    top_k: int = 5
    label_offset: int | None = None
    max_side: int = 1600
    num_classes: int | None = None
    max_boxes: int = 20
    max_detections: int = 100
    min_score: float = 0.4
    line_thickness: int = 4
    threads: int = 0
    batch: int = 0
    cache: Path | None = None
    speed_policy: SpeedPolicy | None = None

    def where(self, key: str) -> str:
        """The place of a key as errors state it: file, section, key."""
        return f"{self.config}: [{self.name}] {key}"


@dataclass(frozen=True)
class _Key:
    """How one key is read: the card's field, its values in words, and the kinds that have it."""

    field: str
    read: Callable[[str], Any]
    expected: str = ""
    kinds: tuple[str, ...] = (CLASSIFICATION, DETECTION)


def _whole(low: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if value < low:
            raise ValueError
        return value

    return read


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def _finite(text: str) -> float:
    value = float(text)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _not_zero(text: str) -> float:
    value = _finite(text)
    if value == 0:
        raise ValueError
    return value


def _one_of(*values: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in values:
            raise ValueError
        return text.lower()

    return read


_RESIZE = ("bilinear", "area", "tf1", "letterbox")
_DECODE = (AUTO, "full", "reduced")
_ACTIVATION = (AUTO, "none", "softmax")
_SIDE = "a number of pixels, at least 1"
_KEYS = {
    "graph": _Key("graph", str, kinds=(CLASSIFICATION,)),
    "labels": _Key("labels", str, kinds=(CLASSIFICATION,)),
    "path_to_ckpt": _Key("graph", str, kinds=(DETECTION,)),
    "path_to_labels": _Key("labels", str, kinds=(DETECTION,)),
    "input_layer": _Key("input_layer", str),
    "output_layer": _Key("output_layer", str),
    "engine": _Key("engine", str.lower),
    "input_height": _Key("input_height", _whole(1), _SIDE),
    "input_width": _Key("input_width", _whole(1), _SIDE),
    "input_mean": _Key("input_mean", _finite, "a number"),
    "input_std": _Key("input_std", _not_zero, "a number other than 0"),
    "resize": _Key("resize", _one_of(*_RESIZE), f"one of {', '.join(_RESIZE)}"),
    "decode": _Key("decode", _one_of(*_DECODE), f"one of {', '.join(_DECODE)}", (CLASSIFICATION,)),
    "activation": _Key(
        "activation", _one_of(*_ACTIVATION), f"one of {', '.join(_ACTIVATION)}", (CLASSIFICATION,)
    ),
    "top_k": _Key("top_k", _whole(1), "a whole number, at least 1", (CLASSIFICATION,)),
    "label_offset": _Key("label_offset", int, "a whole number"),
    "max_side": _Key("max_side", _whole(1), _SIDE, (DETECTION,)),
    "num_classes": _Key("num_classes", _whole(1), "a whole number, at least 1", (DETECTION,)),
    "max_detections": _Key("max_detections", _whole(1), "a whole number, at least 1", (DETECTION,)),
    "max_boxes_to_draw": _Key("max_boxes", _whole(0), "a whole number, at least 0", (DETECTION,)),
    "min_score_thresh": _Key("min_score", _share, "a number from 0 to 1", (DETECTION,)),
    "line_thickness": _Key(
        "line_thickness", _whole(1), "a number of pixels, at least 1", (DETECTION,)
    ),
    "threads": _Key("threads", _whole(0), "a whole number, at least 0"),
    "batch": _Key("batch", _whole(0), "a whole number, at least 0"),
    "cache": _Key("cache", str),
}
# Keys without a field of their own. IMAGE_SIZE was the size in inches of a figure that is not
# drawn any more; it is accepted so that the original's files load without a warning.
_OTHER_KEYS = ("use", "usr_path", "image_size")
# Every key that a model's section may have.
KEYS = (*_KEYS, *_OTHER_KEYS)
# The keys that a command line may override.
OVERRIDES = (
    "graph",
    "labels",
    "input_layer",
    "output_layer",
    "input_height",
    "input_width",
    "input_mean",
    "input_std",
)


def sections(config: Path) -> list[str]:
    """The names of the models in a file, in its order. Raises ConfigError."""
    return _parse(config).sections()


def load_card(
    config: Path, section: str, kind: str, overrides: Mapping[str, Any] | None = None
) -> ModelCard:
    """Read and check the card of one section, following `USE = other section`.

    `overrides` are options of the command line by the names in `OVERRIDES`; None is no option, but
    0 is one. Their paths are looked up in the current folder first. Raises ConfigError.
    """
    config = Path(config)
    ini = _parse(config)
    section = _follow(ini, config, section)
    values: dict[str, Any] = {}
    texts = {key: text.strip() for key, text in ini.items(section)}
    for key, text in texts.items():
        rule = _rule(key, kind)
        if rule is None:
            if key not in _OTHER_KEYS:
                hint = _nearest(key, kind)
                log.warning("%s: [%s] %s is unknown%s", config, section, key.upper(), hint)
        elif text:
            values[rule.field] = _value(rule, text, f"{config}: [{clip(section)}] {key.upper()}")
    options = {k: str(v) for k, v in (overrides or {}).items() if v is not None and k in OVERRIDES}
    for key, text in options.items():
        values[key] = _value(_KEYS[key], text, f"option --{key}")
    _check_engine(values.get("engine", AUTO), f"{config}: [{clip(section)}] ENGINE")
    _find_files(values, options, config, section, kind, texts.get("usr_path", ""))
    return ModelCard(kind=kind, config=config, name=section, **values)


def resolve(config: Path, section: str) -> str:
    """The section that `section` stands for after every USE. Raises ConfigError."""
    return _follow(_parse(Path(config)), Path(config), section)


def _parse(config: Path) -> configparser.ConfigParser:
    ini = configparser.ConfigParser(interpolation=None)
    try:
        ini.read_string(Path(config).read_text(encoding="utf-8-sig"), source=str(config))
    except FileNotFoundError:
        raise ConfigError(f"{config}: no such configuration file") from None
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        reason = clip(" ".join(str(error).split()), 400)
        raise ConfigError(f"{config}: cannot be read: {reason}") from error
    return ini


def _follow(ini: configparser.ConfigParser, config: Path, section: str) -> str:
    """The section that `section` stands for after every USE."""
    trail: list[str] = []
    while True:
        if section not in ini:
            place = f"{config}: [{clip(trail[-1])}] USE: " if trail else f"{config}: "
            names = clip(", ".join(ini.sections()) or "(none)", 300)
            raise ConfigError(
                f"{place}expected one of the sections {names}, got {clip(repr(section))}"
            )
        if section in trail:
            chain = clip(" -> ".join([*trail, section]), 300)
            place = f"{config}: [{clip(section)}] USE"
            raise ConfigError(f"{place}: expected an end, got the circle {chain}")
        trail.append(section)
        target = ini.get(section, "use", fallback="").strip()
        if not target:
            return section
        section = target


def _rule(key: str, kind: str) -> _Key | None:
    rule = _KEYS.get(key)
    # A kind of recognition that is neither of ours may use every key.
    is_ours = kind in (CLASSIFICATION, DETECTION)
    return rule if rule and (kind in rule.kinds or not is_ours) else None


def _nearest(key: str, kind: str) -> str:
    keys = [name for name in _KEYS if _rule(name, kind)]
    close = difflib.get_close_matches(key, [*keys, *_OTHER_KEYS], n=1)
    return f"; did you mean {close[0].upper()}?" if close else ""


def _value(rule: _Key, text: str, where: str) -> Any:
    try:
        return rule.read(text)
    except ValueError:
        raise ConfigError(f"{where}: expected {rule.expected}, got {clip(repr(text))}") from None


def _check_engine(name: str, where: str) -> None:
    names = [AUTO, *plugins.names("engines")]
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{where}: expected one of {', '.join(names)}, got {clip(repr(name))}{hint}")


def _find_files(
    values: dict[str, Any],
    options: Mapping[str, str],
    config: Path,
    section: str,
    kind: str,
    usr_path: str,
) -> None:
    """Replace the texts of GRAPH and LABELS by paths that exist. Raises ConfigError."""
    keys = (
        {"graph": "PATH_TO_CKPT", "labels": "PATH_TO_LABELS"}
        if kind == DETECTION
        else {"graph": "GRAPH", "labels": "LABELS"}
    )
    for field, key in keys.items():
        where = f"option --{field}" if field in options else f"{config}: [{clip(section)}] {key}"
        text = values.get(field)
        if not text:
            if values.get("engine") == "fake":
                continue
            raise ConfigError(f"{where}: expected a path, got nothing")
        paths = _candidates(text, config, usr_path, as_it_is_first=field in options)
        path = next((path for path in paths if _exists(path)), None)
        if path is None:
            got = f"{clip(repr(text))}, which is not at {clip(paths[0], 300)}"
            raise ConfigError(f"{where}: expected a file, got {got}")
        if field == "labels" and not path.is_file():
            what = "the folder" if path.is_dir() else "what is no file at"
            raise ConfigError(f"{where}: expected a file, got {what} {path}")
        values[field] = path
    if "cache" in values:
        values["cache"] = config.parent / values["cache"]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is longer than any file's
        return False


def _candidates(text: str, config: Path, usr_path: str, *, as_it_is_first: bool) -> list[Path]:
    """The places of a path, in order: under USR_PATH, beside the ini file, then as it is.

    The original joined USR_PATH and the path as texts, so a leading slash means nothing.
    """
    folders = [config.parent]
    if usr_path:
        folders = [config.parent / usr_path, Path(usr_path), *folders]
    beside = [folder / text.lstrip("/") for folder in folders]
    as_it_is = Path(text)
    return [as_it_is, *beside] if as_it_is_first or as_it_is.is_absolute() else [*beside, as_it_is]


# Checked once, at import: every key names a field that exists.
assert {rule.field for rule in _KEYS.values()} <= {field.name for field in fields(ModelCard)}
