"""SVG paths as numbers: the corners of each piece of a path."""

from __future__ import annotations

import re

_TOKENS = re.compile(r"[MLHVhvz]|-?\d+(?:\.\d+)?(?:e-?\d+)?")
Point = tuple[float, float]


def pieces(path: str) -> list[list[Point]]:
    """The corners of each piece that a move (M) begins; z closes a piece and adds no corner.

    Raises ValueError for anything but M, L, H, V, h, v and z with their numbers.
    """
    found: list[list[Point]] = []
    tokens = _TOKENS.findall(path)
    if "".join(tokens) != re.sub(r"[\s,]", "", path):
        raise ValueError(f"expected moves and lines, got {path!r}")
    at = 0
    x = y = 0.0
    while at < len(tokens):
        command, count = tokens[at], 2 if tokens[at] in "ML" else 0 if tokens[at] == "z" else 1
        numbers = [float(token) for token in tokens[at + 1 : at + 1 + count]]
        at += 1 + count
        if command == "z":
            continue
        if command in "ML":
            x, y = numbers
        elif command in "Hh":
            x = numbers[0] + (x if command == "h" else 0.0)
        else:
            y = numbers[0] + (y if command == "v" else 0.0)
        if command == "M":
            found.append([])
        found[-1].append((x, y))
    return found
