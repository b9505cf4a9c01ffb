"""Types of input: what an upload may be, judged without decoding it.

A kind of recognition names its `input_type`; scai/worker/decoding.py decodes the same types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scai.kinds import PICTURE, Kind
from scai.pictures import header
from scai.pictures.header import Limits


class InputInfo(Protocol):
    """A sound input: the usual file suffix of its format, and its size in words for the log."""

    @property
    def suffix(self) -> str: ...

    @property
    def size(self) -> str: ...


@dataclass(frozen=True)
class InputType:
    """One type of input.

    `probe` judges the bytes, or a file, by the first of them; it raises BadImage and the errors
    below it. `suffixes` are those that a file's name may have, in lower case. `media_types` are
    what browsers offer to choose; `media_type` is that of a stored file, by its content.
    """

    probe: Callable[[bytes | Path, Limits], InputInfo]
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    media_type: Callable[[Path], str]


def of(kind: Kind) -> InputType:
    """The type of input that a kind of recognition takes."""
    return INPUT_TYPES[kind.input_type]


INPUT_TYPES = {
    PICTURE: InputType(
        probe=header.probe,
        suffixes=header.SUFFIXES,
        # The formats by name, and not image/*: a phone then converts its own into one of them.
        media_types=("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif"),
        media_type=header.mime_type,
    ),
}
