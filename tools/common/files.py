"""Write files whole or not at all."""

import os
import uuid
from pathlib import Path


def publish(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` atomically, replacing an existing file. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
