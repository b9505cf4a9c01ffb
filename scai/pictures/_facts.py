"""What a reader of one format finds out about a picture, and the limits that all readers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# A whole-page scan with a profile, a thumbnail and a history of edits stays far below these.
MAX_SEGMENTS = 1_000
MAX_METADATA_BYTES = 2_000_000
MAX_SCANS = 100
# Of all scans together: each costs a pass over the pixels. Usual pictures have ten scans.
MAX_SCANNED_MEGAPIXELS = 1_500
MAX_FRAMES = 1_000

# Refuses a width and a height in pixels by an error; each reader calls it when it knows them.
CheckSize = Callable[[int, int], None]


@dataclass(frozen=True)
class Facts:
    """Facts about a picture, from its structure and not from its pixels.

    width, height: pixels as stored. mode: Pillow's name of the pixel type. orientation: 1..8 as
    EXIF has it. scans: passes over the pixels in a JPEG. decode_bytes: at most what decoding
    needs in memory beside the file. one_pass: a JPEG that every decoder reads in one pass.
    """

    width: int
    height: int
    mode: str
    decode_bytes: int
    orientation: int = 1
    scans: int = 1
    one_pass: bool = False
