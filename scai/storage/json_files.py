"""JSON objects in files, which anybody may have written who may write into the session folder.

What we write ourselves ends in its own length and checksum:

    "attempts": 0,
    "length":312,"checksum":"5d41402a"}

The length counts the bytes before that line, and the checksum is their CRC-32. CRC-32 finds every
flipped bit, every burst of up to 32 bits and all but one of 2^32 other changes. A file without that
line is valid: a foreign program wrote it, or wrote it anew.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Mapping
from typing import Any

from scai.errors import BadSession, NotFound
from scai.storage.open_plain import NOT_THERE, NotPlain, open_plain

# Far above any record of ours, in bytes; a foreign client's might be anything.
_MAX_RECORD = 4_000_000
# The keys of the last line. A program that decodes a file and encodes it anew keeps the keys, but
# not this form of the line, so that what it wrote is not taken for damage.
SEAL = ("length", "checksum")
_SEAL = re.compile(rb',\n"length":([0-9]{1,9}),"checksum":"([0-9a-f]{8})"\}\Z')
_LIKE_A_SEAL = re.compile(rb',\n"[^\n]{6}":[0-9]{1,9},"[^\n]{8}":"[^\n]{8}"\}\Z')
_MAX_SEAL = 60


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    """Refuse 1e999, which is JSON while the infinity that Python reads is not."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


_encode = json.JSONEncoder(ensure_ascii=False).encode
decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def to_json(value: Mapping[str, Any]) -> bytes:
    """Encode an object as JSON in UTF-8, with a line for each key."""
    # The encoder's own indentation is several times as slow.
    lines = ",\n ".join(f"{_encode(key)}: {_encode(item)}" for key, item in value.items())
    return to_bytes(f"{{\n {lines}\n}}")


def seal(value: Mapping[str, Any]) -> bytes:
    """Encode an object of at least one key as `to_json` does, with its length and checksum."""
    body = to_json({key: item for key, item in value.items() if key not in SEAL})[:-2]
    return b'%b,\n"length":%d,"checksum":"%08x"}' % (body, len(body), zlib.crc32(body))


def _is_damaged(data: bytes) -> bool:
    """Whether a file ends in a length and a checksum, and they are not its own."""
    end = max(0, len(data) - _MAX_SEAL)
    line = _SEAL.search(data, end)
    if line is None:
        return _LIKE_A_SEAL.search(data, end) is not None
    body = data[: line.start()]
    return int(line[1]) != len(body) or int(line[2], 16) != zlib.crc32(body)


def to_bytes(text: str) -> bytes:
    """Encode any text in UTF-8."""
    # Half a surrogate pair, which JSON allows and UTF-8 does not, goes out as it came: \\udxxx.
    return text.encode("utf-8", "backslashreplace")


def finite(value: object) -> float:
    """Convert a number, or a text of one, to a number that JSON can hold. Raises ValueError."""
    if not isinstance(value, int | float | str):
        raise ValueError("expected a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("expected a smaller number") from error
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def read_object(path: str) -> dict[str, Any]:
    """Read the JSON object in a file that anybody may have written.

    Raises NotFound when there is none, BadSession for anything that is not a plain file of
    sensible size with one JSON object, and for a file that is not as `seal` made it.
    """
    try:
        with open_plain(path) as file:
            data = file.read(_MAX_RECORD + 1)
    except NotPlain:
        raise BadSession(f"{os.path.basename(path)} must be a plain file") from None
    except OSError as error:
        if error.errno in NOT_THERE:
            raise NotFound("no such session") from None
        raise
    if len(data) > _MAX_RECORD:
        raise BadSession(f"{os.path.basename(path)} is longer than {_MAX_RECORD} bytes")
    if _is_damaged(data):
        raise BadSession(f"{os.path.basename(path)} is damaged: its checksum is another")
    try:
        value = decode(data.decode(json.detect_encoding(data), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise BadSession(f"{os.path.basename(path)} is not JSON: {str(error)[:100]}") from error
    if not isinstance(value, dict):
        raise BadSession(f"{os.path.basename(path)} must hold a JSON object")
    return value


def read_record(path: str) -> dict[str, Any]:
    """Read what `seal` made, or a foreign program, as `read_object` does; without the checksum."""
    record = read_object(path)
    for key in SEAL:
        record.pop(key, None)
    return record


def is_readable(path: str) -> bool:
    """Whether `read_record` can read the file, or there is none."""
    try:
        read_record(path)
    except NotFound:
        return True
    except BadSession:
        return False
    return True
