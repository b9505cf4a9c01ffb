"""Look at and decode the types of input that scai/jobs/inputs.py accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scai.kinds import PICTURE
from scai.pictures.header import Limits, probe
from scai.pictures.pixels import Picture, read_picture

# (data, limits, smallest height and width to keep) -> pixels. Raises BadImage, OutOfResources.
Decode = Callable[[bytes, Limits, tuple[int, int] | None], Picture]


class Look(Protocol):
    """What a look at an input says before it is decoded."""

    @property
    def decode_bytes(self) -> int:
        """About how many bytes of memory decoding takes."""

    @property
    def is_harmless(self) -> bool:
        """Whether decoding takes neither long nor much memory, whatever the rest of it is."""


@dataclass(frozen=True)
class Decoder:
    """How one type of input is judged and decoded.

    `look` reads no more than a header does; it raises what `decode` raises. `decode` is a function
    of a module, because a helper process imports it. A module with a function `warm_up` loads all
    it may need later by that: a helper cannot import while it decodes.
    """

    decode: Decode
    look: Callable[[bytes, Limits], Look]

    @property
    def name(self) -> str:
        """The function `decode` as a helper imports it: "module:function"."""
        return f"{self.decode.__module__}:{self.decode.__qualname__}"


PICTURES = Decoder(read_picture, probe)
DECODERS: dict[str, Decoder] = {PICTURE: PICTURES}
