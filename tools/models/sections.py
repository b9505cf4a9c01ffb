"""Change one section in the text of an ini file and leave every other byte as it was.

configparser would lose comments and order, so the text is cut by lines. Each change is checked by
parsing the text before and after. If anything else differs, the change is refused.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scai.errors import ConfigError

DEFAULT = "default"
_HEADER = re.compile(r"\ufeff?\[(.+)\]")
_USE = re.compile(r"(use[ \t]*[=:][ \t]*)(.*?)([ \t\r\n]*)", re.IGNORECASE | re.DOTALL)

Sections = dict[str, dict[str, str]]


@dataclass(frozen=True)
class SectionPlace:
    """A section and its file; `use` is the section that it refers to, if any."""

    kind: str
    config: Path
    name: str
    use: str = ""

    @property
    def folder(self) -> Path:
        """The folder of the model's own files."""
        return self.config.parent / "models" / self.name


def parse(data: bytes, where: str) -> Sections:
    """Parse the sections of a file, keys in lower case. Raises ConfigError."""
    ini = configparser.ConfigParser(interpolation=None)
    try:
        ini.read_file(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig"), source=where)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: cannot be read: {' '.join(str(error).split())}") from error
    return {name: dict(ini[name]) for name in ini.sections()}


def put(
    data: bytes, name: str, values: Mapping[str, str], remarks: Sequence[str], where: str
) -> bytes:
    """Write section `name` with `remarks` as comments and `values`; returns the new text.

    A section of that name is replaced in place; a new one is appended.
    """
    text = data.decode("utf-8")
    newline = "\r\n" if "\r\n" in text else "\n"
    # Remarks stand below the header: above the first one they would be the file's.
    block = [f"[{name}]", *(f"# {' '.join(remark.split())}" for remark in remarks)]
    block += [f"{key} = {value}" for key, value in values.items()]
    lines = _lines(text)
    span = _spans(lines).get(name)
    if span:
        lines[slice(*span)] = [line + newline for line in block]
    else:
        # A file that ends without a newline goes on doing so, for `drop` to undo all of this.
        ended = not text or text.endswith("\n")
        gap = [newline] if text else []
        lines += ([] if ended else [newline]) + gap + [line + newline for line in block]
        lines[-1] = lines[-1] if ended else lines[-1].removesuffix(newline)
    lowered = {key.lower(): value for key, value in values.items()}
    return _checked(data, "".join(lines), name, lowered, where)


def drop(data: bytes, name: str, where: str) -> bytes:
    """Remove section `name`, the comments right above it, and one empty line; returns the text."""
    lines = _lines(data.decode("utf-8"))
    start, end = _spans(lines)[name]
    last = not "".join(lines[end:]).strip()
    if last and start and not lines[start - 1].strip():
        start -= 1
    elif not last and not lines[end].strip():
        end += 1
    ended = lines[-1].endswith("\n")
    del lines[start:end]
    if lines and not ended:
        lines[-1] = lines[-1].rstrip("\r\n")
    return _checked(data, "".join(lines), name, None, where)


def point_default(data: bytes, name: str, where: str) -> bytes:
    """Let `[default] USE` name `name`, adding the section if needed; returns the new text."""
    lines = _lines(data.decode("utf-8"))
    span = _spans(lines).get(DEFAULT)
    if span is None:
        return put(data, DEFAULT, {"USE": name}, ["Stands for another section."], where)
    for number in range(*span):
        match = _USE.fullmatch(lines[number])
        if match:
            lines[number] = match[1] + name + match[3]
            values = parse(data, where)[DEFAULT] | {"use": name}
            return _checked(data, "".join(lines), DEFAULT, values, where)
    raise ConfigError(
        f"{where}: [{DEFAULT}] is a model itself: expected a line USE = ..., got none"
    )


def _lines(text: str) -> list[str]:
    """Lines with their ends; unlike str.splitlines, cut at newlines alone."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _is_comment(line: str) -> bool:
    return line.lstrip("\ufeff")[:1] in ("#", ";")


def _spans(lines: list[str]) -> dict[str, tuple[int, int]]:
    """First line and line after the last of each section, with the comments that are its own."""
    matches = [(number, _HEADER.match(line)) for number, line in enumerate(lines)]
    headers = [(number, match[1]) for number, match in matches if match]
    starts = [_start(lines, number) for number, _ in headers] + [len(lines)]
    return {
        name: (starts[i], _end(lines, number, starts[i + 1]))
        for i, (number, name) in enumerate(headers)
    }


def _start(lines: list[str], header: int) -> int:
    """Comments right above a header are the section's, but those at the top are the file's."""
    start = header
    while start and _is_comment(lines[start - 1]):
        start -= 1
    return start if start else header


def _end(lines: list[str], header: int, limit: int) -> int:
    """After the last paragraph that has a key; paragraphs of comments alone belong to nobody."""
    end = number = header + 1
    holds = True  # the header itself counts as a key
    for number in range(header + 1, limit):
        line = lines[number]
        if not line.strip():
            holds = False
            continue
        holds = holds or not _is_comment(line)
        end = number + 1 if holds else end
    return end


def _checked(data: bytes, text: str, name: str, values: dict[str, str] | None, where: str) -> bytes:
    """Return `text` as bytes if only section `name` differs from `data`. Raises ConfigError."""
    expected = parse(data, where)
    expected.pop(name, None)
    got = parse(text.encode(), where)
    if got.pop(name, None) != values or got != expected:
        raise ConfigError(
            f"{where}: expected sections that can be told apart by lines, got a file "
            f"where [{name}] cannot be changed alone; change it by hand"
        )
    return text.encode()
