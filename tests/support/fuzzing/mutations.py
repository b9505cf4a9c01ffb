"""Small changes of an input, of which several are made at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

MAX_BYTES = 60_000
_NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 1000, 16384, 32767, 65535, 2**31 - 1, 2**32 - 1)
Mutation = Callable[[random.Random, bytearray, "Material"], None]


class Material:
    """What mutations may take from: `tokens` of the format, and the other inputs kept so far."""

    def __init__(self, tokens: Sequence[bytes], corpus: list[bytes]) -> None:
        self.tokens = tokens
        self.corpus = corpus


def mutated(chance: random.Random, data: bytes, material: Material) -> bytes:
    """The input with one to six changes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        chance.choice(_MUTATIONS)(chance, changed, material)
    return bytes(changed[:MAX_BYTES])


def _place(chance: random.Random, data: bytearray) -> int:
    """A place in the data, more often near its beginning, where headers are."""
    if not data:
        return 0
    near = min(len(data), chance.choice((16, 64, 1024, len(data))))
    return chance.randrange(near)


def _flip(chance: random.Random, data: bytearray, material: Material) -> None:
    if data:
        data[_place(chance, data)] ^= 1 << chance.randrange(8)


def _byte(chance: random.Random, data: bytearray, material: Material) -> None:
    if data:
        data[_place(chance, data)] = chance.randrange(256)


def _number(chance: random.Random, data: bytearray, material: Material) -> None:
    size, order = chance.choice((1, 2, 3, 4, 8)), chance.choice(("little", "big"))
    place = _place(chance, data)
    value = chance.choice((*_NUMBERS, len(data), len(data) - place)) % (1 << 8 * size)
    data[place : place + size] = value.to_bytes(size, order)


def _remove(chance: random.Random, data: bytearray, material: Material) -> None:
    place = _place(chance, data)
    del data[place : place + chance.choice((1, 1, 2, 4, 16, 200))]


def _repeat(chance: random.Random, data: bytearray, material: Material) -> None:
    place = _place(chance, data)
    piece = data[place : place + chance.choice((1, 4, 12, 40, 300))]
    data[place:place] = piece * chance.choice((1, 1, 2, 30))


def _insert(chance: random.Random, data: bytearray, material: Material) -> None:
    place = _place(chance, data)
    data[place:place] = chance.randbytes(chance.choice((1, 2, 4, 20)))


def _token(chance: random.Random, data: bytearray, material: Material) -> None:
    if material.tokens:
        place, token = _place(chance, data), chance.choice(material.tokens)
        end = place + chance.choice((0, len(token)))
        data[place:end] = token


def _splice(chance: random.Random, data: bytearray, material: Material) -> None:
    other = chance.choice(material.corpus)
    start = chance.randrange(len(other) + 1)
    place = _place(chance, data)
    end = chance.choice((place, len(data)))
    data[place:end] = other[start : start + chance.choice((8, 60, 1000, len(other)))]


def _cut(chance: random.Random, data: bytearray, material: Material) -> None:
    del data[_place(chance, data) :]


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _flip, _byte, _byte, _number, _number, _remove, _repeat),
    *(_insert, _token, _token, _splice, _splice, _cut),
)
