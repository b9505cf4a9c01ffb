"""The page's own files, under addresses that change with their content.

A browser may keep such a file for ever; modules import each other by relative address, so the mark
of the content stands in the path before all of them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from flask import Flask
from flask.wrappers import Response

_MARK = re.compile(r"v-[0-9a-f]{12}/")


def serve_statics(app: Flask, folder: Path) -> None:
    """Serve the files of `folder` below /static/, and let `url_for` give their marked addresses.

    Under an address without the mark, or with that of another version, a browser has to ask each
    time whether its copy is still the same. The folder is read once.
    """
    app.static_folder = str(folder)
    mark = f"v-{_digest(folder)}/"

    def static(filename: str) -> Response:
        response = app.send_static_file(_without_mark(filename))
        if filename.startswith(mark):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    def add_mark(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and not _MARK.match(values.get("filename", "")):
            values["filename"] = mark + values["filename"]

    app.add_url_rule("/static/<path:filename>", "static", static)
    app.url_defaults(add_mark)


def _without_mark(filename: str) -> str:
    match = _MARK.match(filename)
    return filename[match.end() :] if match else filename


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        found.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:12]
