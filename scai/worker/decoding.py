"""Decode the types of input that scai/jobs/inputs.py accepts."""

from __future__ import annotations

from collections.abc import Callable

from scai.kinds import PICTURE
from scai.pictures.header import Limits
from scai.pictures.pixels import Picture, read_picture

# (data, limits, smallest height and width to keep) -> pixels. Raises BadImage.
Decode = Callable[[bytes, Limits, tuple[int, int] | None], Picture]

DECODERS: dict[str, Decode] = {PICTURE: read_picture}
