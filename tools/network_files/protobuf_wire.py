"""Protocol buffers without a schema library: the fields of a message by their numbers.

The encoding: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

Value = int | bytes
Fields = dict[int, list[Value]]

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


def fields(data: bytes) -> Fields:
    """Parse a message: field number -> its values in order, numbers as int, all else as bytes.

    Fixed-size numbers of four and eight bytes stay bytes. Raises ValueError for invalid data.
    """
    values: Fields = {}
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        value: Value
        if number == 0:
            raise ValueError("field 0")
        if kind == _VARINT:
            value, place = _varint(data, place)
        else:
            length = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind)
            if kind == _BYTES:
                length, place = _varint(data, place)
            if length is None or place + length > len(data):
                raise ValueError(f"field {number} of kind {kind} does not fit")
            value, place = data[place : place + length], place + length
        values.setdefault(number, []).append(value)
    return values


def messages(parent: Fields, number: int) -> list[Fields]:
    """Parse the messages in a field. Raises ValueError."""
    return [fields(value) for value in _bytes(parent, number)]


def first(parent: Fields, number: int) -> Fields:
    """Parse the last message of a field, which overrides others; {} where there is none."""
    parsed = messages(parent, number)
    return parsed[-1] if parsed else {}


def texts(parent: Fields, number: int) -> list[str]:
    """Decode the strings in a field. Raises ValueError."""
    return [value.decode() for value in _bytes(parent, number)]


def text(parent: Fields, number: int) -> str:
    """Decode the last string of a field; "" where there is none."""
    strings = texts(parent, number)
    return strings[-1] if strings else ""


def whole(parent: Fields, number: int, default: int = 0) -> int:
    """Return the integer of a field; negative ones are stored as two's complement of 64 bits."""
    value = parent.get(number, [default])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(parent: Fields, number: int) -> list[bytes]:
    values = []
    for value in parent.get(number, []):
        if not isinstance(value, bytes):
            raise ValueError(f"field {number} is a number")
        values.append(value)
    return values


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("a number without an end")
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
