"""Label files: one label a line, or a *_label_map.pbtxt of the TF Object Detection API.

Both become a mapping id -> label; the ids of a text file are its line numbers from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scai.errors import ConfigError, clip

# One token of protobuf's text format: a string, a word or number, or a punctuation mark.
_TOKEN = re.compile(
    r"""\s+ | \#[^\n]*                          # blank or comment: skipped
      | (?P<text>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
      | (?P<word>[-+\w.]+)
      | (?P<mark>[{}<>\[\]:;,])
      | (?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_ESCAPES: dict[bytes, bytes] = {
    bytes([code]): meaning.encode()
    for code, meaning in zip(b"abfnrtv\\'\"?\n", [*"\a\b\f\n\r\t\v\\'\"?", ""], strict=True)
}
# An id is an int32 in the map's definition.
_MAX_ID = 2**31 - 1
_CLOSING = {"{": "}", "<": ">"}


def read(path: Path) -> dict[int, str]:
    """The labels of a file, by id. Raises ConfigError with a sentence naming file and place."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text, got byte {error.start} of no text") from (
            error
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        labels = parse_pbtxt(text, str(path)) if is_map(path, text) else parse_lines(text)
    except RecursionError:
        raise ConfigError(f"{path}: the items are nested too deeply") from None
    if not labels:
        raise ConfigError(f"{path}: expected at least one label, got none")
    return labels


def is_map(path: Path, text: str | None = None) -> bool:
    """Whether a label file is a label map with ids of its own, not plain lines."""
    if path.suffix.lower() == ".pbtxt":
        return True
    if text is None:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    return re.match(r"(\s|#[^\n]*\n)*item\s*:?\s*[{<]", text) is not None


def parse_lines(text: str) -> dict[int, str]:
    """One label a line, without white space at its end; empty lines at the end do not count."""
    lines = [line.rstrip() for line in text.rstrip().split("\n")]
    return dict(enumerate(lines)) if lines != [""] else {}


def parse_pbtxt(text: str, where: str) -> dict[int, str]:
    """Read the items of a StringIntLabelMap; `display_name` wins over `name`."""
    labels: dict[int, str] = {}
    tokens = _tokens(text, where)
    for kind, word, line in tokens:
        if kind == "mark" and word in ";,":
            continue
        opening = next(tokens, ("end", "the end", line))
        if opening[1] == ":":
            opening = next(tokens, ("end", "the end", line))
        if word != "item" or opening[1] not in _CLOSING:
            raise ConfigError(f"{where}, line {line}: expected 'item {{', got {clip(repr(word))}")
        item = _item(tokens, _CLOSING[opening[1]], where, line)
        number, label = _entry(item, where, line)
        if number in labels:
            raise ConfigError(
                f"{where}, line {line}: expected every id once, got id {number} again"
            )
        labels[number] = label
    return labels


def _item(tokens: Iterator[_Token], closing: str, where: str, start: int) -> dict[str, str]:
    """The simple fields of one message; nested messages, such as keypoints, are skipped."""
    fields: dict[str, str] = {}
    key = ""
    after_colon = False
    for kind, word, line in tokens:
        if word == closing and kind == "mark":
            return fields
        if kind == "mark" and word in _CLOSING:
            _item(tokens, _CLOSING[word], where, line)
            key, after_colon = "", False
        elif kind == "mark" and word == ":":
            after_colon = True
        elif kind == "mark":
            continue
        elif after_colon:
            fields[key] = word
            after_colon = False
        elif kind == "text":
            if key not in fields:
                raise ConfigError(
                    f"{where}, line {line}: expected ':' before {word[:40]!r}, got none"
                )
            fields[key] += word  # adjacent strings are one, as in C
        else:
            key = word
    raise ConfigError(
        f"{where}, line {start}: expected {closing!r} to close this item, got the end"
    )


def _entry(item: dict[str, str], where: str, line: int) -> tuple[int, str]:
    try:
        number = int(item["id"], 0)
        if abs(number) > _MAX_ID:
            raise ValueError
    except (KeyError, ValueError):
        got = item.get("id", "none")
        raise ConfigError(
            f"{where}, line {line}: expected a whole number as id, got {clip(got)}"
        ) from None
    label = item.get("display_name") or item.get("name")
    if not label:
        raise ConfigError(f"{where}, line {line}: expected a name or display_name, got neither")
    return number, label


_Token = tuple[str, str, int]


def _tokens(text: str, where: str) -> Iterator[_Token]:
    """(kind, word, line) of each token; strings without their quotes and escapes."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        word = match.group()
        if kind == "bad":
            raise ConfigError(f"{where}, line {line}: expected a field, got {word!r}")
        if kind == "text":
            yield kind, _unescape(word[1:-1], where, line), line
        elif kind is not None:
            yield kind, word, line
        line += word.count("\n")


def _unescape(text: str, where: str, line: int) -> str:
    if "\\" not in text:
        return text
    try:
        return _ESCAPE.sub(_byte, text.encode()).decode()
    except UnicodeError:
        raise ConfigError(
            f"{where}, line {line}: expected a string, got {clip(repr(text))}"
        ) from None


def _byte(escape: re.Match[bytes]) -> bytes:
    """The bytes of one escape; an unknown one stays as it is."""
    code: bytes = escape[1]
    # Octal and hex escapes are bytes of UTF-8, which is how protobuf prints é or 貓.
    if code[0] in b"01234567":
        return bytes([int(code, 8) & 0xFF])
    if len(code) > 1:
        return bytes([int(code[1:], 16)])
    return _ESCAPES.get(code, bytes(escape[0]))
