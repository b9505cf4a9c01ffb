"""Print which decoders of pictures are installed, as JSON: a program, for a process of its own.

The portal tells their versions and loads none of them.
"""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

from PIL import features

# The package of each library, what it is for here, and the codecs that it brings along.
_LIBRARIES = (
    ("simplejpeg", "simplejpeg", "decodes JPEG", ()),
    ("Pillow", "pillow", "decodes all other pictures", ("libjpeg_turbo", "jpg", "zlib", "webp")),
    ("OpenCV", "opencv-python-headless", "resizes and draws", ()),
    ("isal", "isal", "encodes PNG", ()),
)


def inventory() -> list[dict[str, Any]]:
    """The installed libraries: `name`, `version`, `use`, and `codecs`, each with its version."""
    found: list[dict[str, Any]] = []
    for name, package, use, codecs in _LIBRARIES:
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        versions = {codec: str(features.version(codec) or "") for codec in codecs}
        known = {codec: version for codec, version in versions.items() if version}
        found.append({"name": name, "version": version, "use": use, "codecs": known})
    return found


if __name__ == "__main__":
    print(json.dumps(inventory()))
