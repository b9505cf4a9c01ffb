"""Read the settings: built-in default < ini file < environment < command line.

The ini file (usr/scai.config) has each setting under its section; in the environment its name is
SCAI_ and the name in upper case.
"""

from __future__ import annotations

import configparser
import difflib
import logging
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scai.errors import ConfigError
from scai.settings.options import OPTIONS, Settings

log = logging.getLogger(__name__)

CONFIG_FILE = Path("usr/scai.config")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Read the settings; a flag with the value None does not count.

    Raises ConfigError with one sentence for a value of the wrong type or out of its range.
    """
    environment = os.environ if environment is None else environment
    file = config or (Path(environment["SCAI_CONFIG"]) if environment.get("SCAI_CONFIG") else None)
    values: dict[str, Any] = _from_ini(file or CONFIG_FILE, must_exist=file is not None)
    for name in OPTIONS:
        variable = f"SCAI_{name.upper()}"
        if environment.get(variable):
            values[name] = parse(name, environment[variable], f"environment variable {variable}")
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = parse(name, str(value), f"option --{name}")
    return Settings(**values)


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, from which a child process loads the same."""
    return {f"SCAI_{name.upper()}": str(getattr(settings, name)) for name in OPTIONS}


def _from_ini(file: Path, *, must_exist: bool) -> dict[str, Any]:
    if not file.exists():
        if must_exist:
            raise ConfigError(f"{file}: no such configuration file")
        return {}
    ini = configparser.ConfigParser(interpolation=None)
    try:
        ini.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    values: dict[str, Any] = {}
    for section in ini.sections():
        for key, text in ini.items(section):
            option = OPTIONS.get(key)
            if option is None or option.metadata["section"] != section:
                log.warning("%s: [%s] %s is unknown%s", file, section, key, _nearest(key))
                continue
            values[key] = parse(key, text, f"{file}: [{section}] {key}")
    return values


def _nearest(key: str) -> str:
    close = difflib.get_close_matches(key, OPTIONS, n=1)
    if not close:
        return ""
    return f"; did you mean [{OPTIONS[close[0]].metadata['section']}] {close[0]}?"


def parse(name: str, text: str, where: str) -> Any:
    """Read the value of option `name` from `text`. Raises ConfigError, which names `where`."""
    option = OPTIONS[name]
    rules = option.metadata
    kind = {"int": int, "float": float, "Path": Path, "str": str}[str(option.type)]
    text = text.strip()
    try:
        value: Any = seconds(text) if rules.get("duration") else kind(text)
    except ValueError:
        expected = {int: "a whole number", float: "a number"}.get(kind, "a value")
        raise ConfigError(f"{where}: expected {expected}, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: expected a number, got {text!r}")
    choices = rules.get("choices")
    if choices and value not in choices:
        raise ConfigError(f"{where}: expected one of {', '.join(choices)}, got {text!r}")
    low, high = rules.get("low"), rules.get("high")
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ConfigError(f"{where}: expected {span}, got {text}")
    return value


def seconds(text: str) -> float:
    """Seconds from "172800", "90m", "12h" or "2d". Raises ValueError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw]?)\s*", text.lower())
    if match is None:
        raise ValueError(f"expected seconds or a time such as 12h or 2d, got {text!r}")
    return float(match[1]) * _SECONDS[match[2]]
