"""A picture on its way into a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Upload:
    """A picture that a client sent, with its stored suffix such as ".jpg" and its file name.

    With `file`, the picture is that file and not `data`; it lies in the sessions' file system and
    is moved, not copied.
    """

    data: bytes
    suffix: str
    filename: str = ""
    file: Path | None = None
